"""Userdata of new machines."""

import base64

from localcloud.iaas.answers import Document
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Attachment
from localcloud.parts import Userdata, UserdataKind

LARGEST_ATTACHMENT = 2 * 1024 * 1024
LARGEST_VALUE = 4 * 1024
DEFAULT_FOLDER = "/etc/qingcloud/userdata"
DEFAULT_FILE = "/etc/rc.local"


def upload_userdata_attachment(cloud: Cloud, parameters: Parameters) -> Document:
    content = _decode("attachment_content", parameters.required_text("attachment_content"))
    if len(content) > LARGEST_ATTACHMENT:
        raise BadParameter("attachment_content is larger than 2 MB")
    attachment = Attachment(
        id=cloud.new_id("uda"),
        name=parameters.text("attachment_name"),
        created_at=cloud.now(),
        content=content,
    )
    cloud.state.attachments.add(attachment)
    return {"attachment_id": attachment.id}


def read_userdata(cloud: Cloud, parameters: Parameters) -> Userdata | None:
    """Return the userdata of a RunInstances; None without `need_userdata`, whatever else is set."""
    if not parameters.flag("need_userdata"):
        return None
    kind = UserdataKind(parameters.choice("userdata_type", [str(kind) for kind in UserdataKind]))
    value = parameters.required_text("userdata_value")
    if kind is UserdataKind.TAR:
        return Userdata(kind, cloud.state.attachments.read(value).content, "")
    content = _decode("userdata_value", value)
    if len(value) > LARGEST_VALUE:
        raise BadParameter("userdata_value is larger than 4 KB")
    if kind is UserdataKind.EXEC:
        return Userdata(kind, content, parameters.text("userdata_file", DEFAULT_FILE))
    folder = parameters.text("userdata_path", DEFAULT_FOLDER)
    return Userdata(kind, content, folder if folder.startswith("/") else DEFAULT_FOLDER)


def _decode(name: str, value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:  # binascii's error, and that of non-ASCII text
        raise BadParameter(f"{name} is not base64") from None


ACTIONS = {"UploadUserDataAttachment": upload_userdata_attachment}

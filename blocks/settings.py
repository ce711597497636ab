"""What this machine says: its environment, and where its Prefect server answers.

The only module that reads the environment.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from platformdirs import user_data_path

from domain.errors import InvalidSpec, Unreachable

ACCOUNT_VARIABLES = ("QINGCLOUD_ACCESS_KEY_ID", "QINGCLOUD_SECRET_ACCESS_KEY", "QINGCLOUD_ZONE")
PUBLIC_ENDPOINT = "https://api.qingcloud.com:443/iaas/"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """An account as the environment describes it."""

    zone: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    endpoint: str
    bills: bool


def account_from_environment() -> AccountSettings | None:
    """Read the account from `QINGCLOUD_…`, or None when none of its variables is set.

    `QINGCLOUD_ENDPOINT` may be left out; `QINGCLOUD_BILLS=0` says that nothing there costs money.

    Raises:
        InvalidSpec: only some of the variables are set; the sentence names the missing ones.
    """
    values = {name: os.environ.get(name, "") for name in ACCOUNT_VARIABLES}
    missing = [name for name, value in values.items() if not value]
    if len(missing) == len(values):
        return None
    if missing:
        raise InvalidSpec(
            f"the environment sets some of an account but not {' and '.join(missing)}; "
            "set all, or none and use --account"
        )
    key_id, secret, zone = values.values()
    return AccountSettings(
        zone=zone,
        access_key_id=key_id,
        secret_access_key=secret,
        endpoint=os.environ.get("QINGCLOUD_ENDPOINT") or PUBLIC_ENDPOINT,
        bills=os.environ.get("QINGCLOUD_BILLS", "1") not in ("0", "false", "no"),
    )


def server_note() -> Path:
    """The file in which the background Prefect server's address and process id are kept."""
    return user_data_path("kubernetes-on-qingcloud") / "prefect-server.json"


def lock_file(what: str) -> Path:
    """The file by which this machine does one thing at a time; it stays, and is empty."""
    return user_data_path("kubernetes-on-qingcloud") / "locks" / what


def samples_file() -> Path:
    """The SQLite file in which samples are kept where no other database is named."""
    return user_data_path("kubernetes-on-qingcloud") / "samples.db"


def samples_url() -> str:
    """The URL of the samples' database as the environment's SAMPLES_URL says, or nothing."""
    return os.environ.get("SAMPLES_URL", "")


def answers(api_url: str) -> bool:
    """Whether a Prefect server answers at this API URL."""
    try:
        with urlopen(f"{api_url}/health", timeout=2) as reply:  # noqa: S310 - our own http URL
            return bool(reply.status == 200)
    except (URLError, OSError, ValueError):
        return False


def find_running_server() -> str:
    """The API URL of the background Prefect server, or an empty text when none answers.

    Without one Prefect starts a short-lived server of its own, which takes a quarter of a minute.
    """
    try:
        url = str(json.loads(server_note().read_text())["api_url"])
    except (OSError, ValueError, KeyError):
        return ""
    return url if answers(url) else ""


def running_server() -> str:
    """The API URL of the Prefect server that is configured, or that runs in the background.

    Raises:
        Unreachable: none answers.
    """
    known = (os.environ.get("PREFECT_API_URL", ""), find_running_server())
    url = next((url for url in known if url and answers(url)), "")
    if not url:
        raise Unreachable("no Prefect server answers; start one with: make server")
    return url


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with some variables set, for a child process."""
    return {**os.environ, **changes}

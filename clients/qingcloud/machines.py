"""Instances, and the userdata that they start with."""

import base64
from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import Params, Value, some
from domain.cloud.records import Instance, InstanceSpec, InstanceStatus, Launch

LIVING = ("pending", "running", "stopped", "suspended")
MANAGED = 1


class MachineCalls(Calls):
    def upload_userdata(self, archive: bytes) -> str:
        """Upload a tar (plain or gzip, at most 2 MB) and return its id.

        Machines that start with it unpack it in `/`. No call lists or deletes uploads.
        """
        reply = self._transport.upload(
            "UploadUserDataAttachment",
            {
                "attachment_name": "userdata.tar",
                "attachment_content": base64.b64encode(archive).decode(),
            },
        )
        return reply.text("attachment_id")

    def find_instances(self, prefix: str) -> list[Instance]:
        """Find the machines whose names have a prefix; terminated ones are left out."""
        items = self._search("DescribeInstances", "instance", prefix, status=LIVING, verbose=1)
        return [_instance(item) for item in items]

    def read_instances(self, instance_ids: Sequence[str]) -> list[Instance]:
        """Read the machines with these ids that are not terminated."""
        living: dict[str, Value] = {"status": LIVING, "verbose": 1}
        return [
            _instance(item)
            for item in self._read(
                "DescribeInstances", "instance_set", "instances", instance_ids, **living
            )
        ]

    def run_instances(self, spec: InstanceSpec) -> Launch:
        """Start `spec.count` machines that share name, image, type and userdata.

        Sends no hostname, because all of them would get the same.
        """
        reply = self._transport.change("RunInstances", _machine_params(spec))
        instance_ids = reply.texts("instances")
        if len(instance_ids) != spec.count:
            raise reply.error(
                f"RunInstances {spec.name}: {spec.count} machines were requested and "
                f"{len(instance_ids)} are reported. Look which ones exist."
            )
        return Launch(instance_ids, reply.text("job_id"))

    def terminate_instances(self, instance_ids: Sequence[str]) -> str:
        """Delete machines without the two hours in the recycle bin. Returns: the job."""
        return self._start("TerminateInstances", instances=some(instance_ids), direct_cease=1)


def _machine_params(spec: InstanceSpec) -> Params:
    params: dict[str, str | int | list[str]] = {
        "instance_name": spec.name,
        "count": spec.count,
        "image_id": spec.image_id,
        "instance_type": spec.type_id,
        "os_disk_size": spec.disk_gib,
        "vxnets": [spec.vxnet_id],
        "login_mode": "keypair",
        "login_keypair": spec.keypair_id,
        "security_group": spec.security_group_id,
    }
    if spec.userdata_attachment:
        params |= {
            "need_userdata": 1,
            "userdata_type": "tar",
            "userdata_value": spec.userdata_attachment,
        }
    return params


def _instance(item: Item) -> Instance:
    vxnet = _private_vxnet(item)
    return Instance(
        id=item.text("instance_id"),
        name=item.optional_text("instance_name"),
        status=item.word("status", InstanceStatus),
        transition=item.optional_text("transition_status"),
        vxnet_id=vxnet.optional_text("vxnet_id"),
        private_ip=vxnet.optional_text("private_ip"),
        image_id=item.optional_item("image").optional_text("image_id"),
        type_id=item.optional_text("instance_type"),
        vcpus=item.number("vcpus_current"),
        memory_mib=item.number("memory_current"),
        security_group_id=item.optional_item("security_group").optional_text("security_group_id"),
        keypair_ids=item.optional_texts("keypair_ids"),
        created_at=item.moment("create_time"),
        nic_id=vxnet.optional_text("nic_id"),
        volume_ids=item.optional_texts("volume_ids"),
        disk_gib=item.optional_item("extra").optional_number("os_disk_size") or 0,
    )


def _private_vxnet(item: Item) -> Item:
    """The instance's managed vxnet; a machine can be in one at most."""
    vxnets = item.optional_items("vxnets")
    managed = [vxnet for vxnet in vxnets if vxnet.optional_number("vxnet_type") == MANAGED]
    return next(iter(managed or vxnets), Item(f"{item.where} vxnets", {}, item.error))

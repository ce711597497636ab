"""Instances: list, start, stop, terminate. RunInstances is in `running`."""

from typing import Final

from localcloud.iaas.actions.eips import unbind_all
from localcloud.iaas.actions.images import image_of
from localcloud.iaas.answers import Document, common, describe, life, rename
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import OutOfStock
from localcloud.iaas.faults.kinds import StockOut
from localcloud.iaas.faults.machines import boot
from localcloud.iaas.lifecycle import Step, begin
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import eips_of
from localcloud.iaas.records import Instance, Volume
from localcloud.iaas.subnets import give_back, take_address
from localcloud.parts import MachineSpec

START: Final = Step(
    ("stopped",), "starting", "running", "change_instance", "is not stopped, can not be started"
)
STOP: Final = Step(
    ("running",), "stopping", "stopped", "change_instance", "is not running, can not be stopped"
)
RESTART: Final = Step(
    ("running",), "restarting", "", "change_instance", "is not running, can not be restarted"
)
TERMINATE: Final = Step(
    ("running", "stopped", "suspended"),
    "terminating",
    "terminated",
    "change_instance",
    needs_lease=True,
)
DESTROY: Final = Step(
    TERMINATE.allowed, "terminating", "ceased", "change_instance", needs_lease=True
)
CEASE: Final = Step(
    ("terminated",),
    "terminating",
    "ceased",
    "change_instance",
    "is not terminated, can not be ceased",
)


def come_up(cloud: Cloud, instance: Instance) -> None:
    """Start to boot a machine; its address shows a moment after it is `running`."""
    vxnet = cloud.state.vxnets.get(instance.vxnet_id)
    if vxnet and not instance.address:
        instance.address = take_address(vxnet, instance.id)  # its vxnet has joined a router since
    if instance.address:  # a machine without one would be unreachable: none is booted
        boot(cloud, instance, spec_of(cloud, instance))

    def take_lease() -> None:
        instance.has_lease = instance.is_alive and bool(instance.address)

    cloud.jobs.later(cloud.profile.assign_address, take_lease)


def spec_of(cloud: Cloud, instance: Instance) -> MachineSpec:
    image = image_of(cloud, instance)
    vxnet = cloud.state.vxnets.get(instance.vxnet_id)
    keypairs = [cloud.state.keypairs[keypair_id] for keypair_id in instance.keypair_ids]
    return MachineSpec(
        instance_id=instance.id,
        hostname=instance.hostname,
        vpc=vxnet.router_id if vxnet else "",
        address=instance.address,
        image_id=image.id,
        os_id=image.os_id,
        os_version=image.os_version,
        login_user=image.login_user,
        authorized_keys=tuple(f"{pair.encrypt_method} {pair.public_key}" for pair in keypairs),
        userdata=instance.userdata,
        vcpus=instance.vcpus,
        memory_mib=instance.memory_mib,
    )


def describe_instances(cloud: Cloud, parameters: Parameters) -> Document:
    verbose = parameters.flag("verbose")
    images, types = set(parameters.texts("image_id")), set(parameters.texts("instance_type"))
    found = [
        instance
        for instance in cloud.state.instances.values()
        if (not images or instance.image_id in images) and (not types or instance.type_id in types)
    ]
    return describe(
        cloud, parameters, found, lambda instance: document(cloud, instance, verbose), "instance"
    )


def document(cloud: Cloud, instance: Instance, verbose: bool) -> Document:
    answer = common(cloud, instance, "instance") | life(instance)
    answer |= {
        "hostname": instance.hostname,
        "instance_type": instance.type_id,
        "instance_class": instance.instance_class,
        "vcpus_current": instance.vcpus,
        "memory_current": instance.memory_mib,
        "cpu_topology": "",
        "platform": "linux",
        "graphics_protocol": "vnc",
        "graphics_passwd": "",
        "image": _image(cloud, instance),
        "vxnets": _vxnets(cloud, instance),
        "eips": [],
        "volumes": [
            {"volume_id": volume.id, "device": volume.device}
            for volume in volumes_of(cloud, instance)
        ],
        "dns_aliases": [],
        "extra": {
            "os_disk_size": instance.disk_gib,
            "cpu_max": instance.vcpus,
            "mem_max": instance.memory_mib,
            "cpu_model": "",
            "hypervisor": "kvm",
            "features": 0,
            "nic_mqueue": 0,
            "gpu": 0,
            "gpu_class": 0,
        },
    }
    for eip in eips_of(cloud, instance.id):
        answer["eip"] = {
            "eip_id": eip.id,
            "eip_addr": eip.address,
            "bandwidth": eip.bandwidth,
        }
    if verbose:
        default_id = cloud.state.default_group_id
        answer["keypair_ids"] = list(instance.keypair_ids)
        answer["volume_ids"] = [volume.id for volume in volumes_of(cloud, instance)]
        answer["security_group"] = {
            "security_group_id": instance.group_id,
            "is_default": int(instance.group_id == default_id),
        }
    return answer


def _image(cloud: Cloud, instance: Instance) -> Document:
    image = image_of(cloud, instance)
    return {
        "image_id": image.id,
        "image_name": image.name,
        "platform": "linux",
        "os_family": image.os_family,
        "processor_type": "64bit",
        "image_size": image.disk_gib,
        "provider": image.provider,
        "ui_type": "tui",
        "features": 0,
        "features_supported": {},
        "default_user": image.login_user,
    }


def _vxnets(cloud: Cloud, instance: Instance) -> list[Document]:
    """Show the instance's own network, then those of further network cards."""
    cards = [(instance.vxnet_id, instance.nic_id, instance.private_ip, 1)]
    nics = [nic for nic in cloud.state.nics.values() if nic.instance_id == instance.id]
    cards += [(nic.vxnet_id, nic.id, nic.address, 0) for nic in nics]
    return [
        {
            "vxnet_id": vxnet.id,
            "vxnet_name": vxnet.name,
            "vxnet_type": vxnet.type,
            "nic_id": nic_id,
            "private_ip": address,
            "ipv6_address": "",
            "role": role,
            "security_groups": [],
        }
        for vxnet_id, nic_id, address, role in cards
        if (vxnet := cloud.state.vxnets.get(vxnet_id))
    ]


def volumes_of(cloud: Cloud, instance: Instance) -> list[Volume]:
    return [v for v in cloud.state.volumes.values() if v.instance_id == instance.id]


def modify_instance_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    instance = cloud.state.instances.read(parameters.required_text("instance"))
    rename(parameters, instance, "instance")
    return {"instance_id": instance.id}


def require_stock(cloud: Cloud, type_id: str) -> None:
    """Refuse a type that a fault has made unavailable in the zone."""
    if cloud.faults.strike(StockOut, lambda fault: fault.covers(type_id, cloud.zone)):
        raise OutOfStock(type_id, cloud.zone)


def start_instances(cloud: Cloud, parameters: Parameters) -> Document:
    async def start(instance: Instance) -> None:
        come_up(cloud, instance)

    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    for type_id in dict.fromkeys(instance.type_id for instance in instances):
        require_stock(cloud, type_id)
    return {"job_id": begin(cloud, "StartInstances", instances, START, start)}


def stop_instances(cloud: Cloud, parameters: Parameters) -> Document:
    async def stop(instance: Instance) -> None:
        await cloud.power.off(instance.id)

    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    return {"job_id": begin(cloud, "StopInstances", instances, STOP, stop)}


def restart_instances(cloud: Cloud, parameters: Parameters) -> Document:
    async def restart(instance: Instance) -> None:
        await cloud.power.off(instance.id)
        come_up(cloud, instance)

    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    return {"job_id": begin(cloud, "RestartInstances", instances, RESTART, restart)}


def terminate_instances(cloud: Cloud, parameters: Parameters) -> Document:
    """Move instances to the recycle bin; with `direct_cease` delete them for good."""
    instances = cloud.state.instances.read_all(parameters.required_texts("instances"))
    step = DESTROY if parameters.flag("direct_cease") else TERMINATE

    async def terminate(instance: Instance) -> None:
        if step is DESTROY:
            await cloud.power.destroy(instance.id)
        else:
            await cloud.power.off(instance.id)
        await unbind_all(cloud, instance)
        abandon(cloud, instance)

    return {"job_id": begin(cloud, "TerminateInstances", instances, step, terminate)}


def abandon(cloud: Cloud, instance: Instance) -> None:
    """Release address, keys, disks and tags.

    A balancer's backends stay until they are deleted by a call.
    """
    if vxnet := cloud.state.vxnets.get(instance.vxnet_id):
        give_back(vxnet, instance.id)
    instance.has_lease, instance.keypair_ids = False, []
    for volume in volumes_of(cloud, instance):
        volume.instance_id = volume.device = ""
        volume.become("available", cloud.now())
    for nic in cloud.state.nics.values():
        if nic.instance_id == instance.id:
            nic.instance_id = ""
            nic.become("available", cloud.now())
    cloud.state.drop_tags(instance)


def cease_instances(cloud: Cloud, parameters: Parameters) -> Document:
    """Empty the recycle bin."""
    instances = [
        cloud.state.instances.read_any(instance_id)
        for instance_id in dict.fromkeys(parameters.required_texts("instances"))
    ]

    async def cease(instance: Instance) -> None:
        await cloud.power.destroy(instance.id)

    return {"job_id": begin(cloud, "CeaseInstances", instances, CEASE, cease)}


ACTIONS = {
    "DescribeInstances": describe_instances,
    "ModifyInstanceAttributes": modify_instance_attributes,
    "StartInstances": start_instances,
    "StopInstances": stop_instances,
    "RestartInstances": restart_instances,
    "TerminateInstances": terminate_instances,
    "CeaseInstances": cease_instances,
}

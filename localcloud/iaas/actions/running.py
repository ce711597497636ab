"""RunInstances: the whole request is checked before anything is created."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from localcloud.iaas import quotas
from localcloud.iaas.actions.images import require_usable
from localcloud.iaas.actions.instances import abandon, come_up, require_stock
from localcloud.iaas.actions.userdata import read_userdata
from localcloud.iaas.answers import Document
from localcloud.iaas.catalog import (
    INSTANCE_TYPES,
    VALID_MEMORY_MIB,
    VALID_VCPUS,
    Image,
    InstanceType,
)
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import (
    BadParameter,
    MissingParameter,
    NotEmulated,
    PermissionDenied,
)
from localcloud.iaas.faults.leniencies import TakesPasswords, TypeWins
from localcloud.iaas.lifecycle import Step, begin, continues
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import PENDING, Instance, Vxnet
from localcloud.iaas.subnets import count_free, take_address
from localcloud.parts import Userdata

CREATE = Step((), "creating", "running", "run_instances")
LARGEST_DISK_GIB = 100
SENT_UNASKED = (1, 1024)
"""The cores and MiB that Go clients send with every request."""

MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A RunInstances that has passed every check."""

    count: int
    name: str
    hostname: str
    image: Image
    size: InstanceType
    disk_gib: int
    instance_class: int
    keypair_ids: list[str]
    vxnet: Vxnet | None
    address: str
    group_id: str
    userdata: Userdata | None


def run_instances(cloud: Cloud, parameters: Parameters) -> Document:
    request = _read_request(cloud, parameters)
    instances = [_create(cloud, request) for _ in range(request.count)]
    job_id = _launch(cloud, instances)
    return {"instances": [instance.id for instance in instances], "job_id": job_id}


def _launch(cloud: Cloud, instances: Sequence[Instance]) -> str:
    async def start(instance: Instance) -> None:
        come_up(cloud, instance)

    return begin(cloud, "RunInstances", instances, CREATE, start, partial(abandon, cloud))


@continues("RunInstances")
def _launch_again(cloud: Cloud, unfinished: Sequence[str], parameters: Parameters) -> str:
    return _launch(cloud, [cloud.state.instances[one] for one in unfinished])


def _read_request(cloud: Cloud, parameters: Parameters) -> Request:
    image = require_usable(cloud, parameters.required_text("image_id"))
    count = parameters.integer("count", 1, low=1, high=MOST_AT_ONCE)
    size = read_size(cloud, parameters)
    keypair_ids = read_login(cloud, parameters)
    vxnet, address = _read_vxnet(cloud, parameters, count)
    group_id = parameters.text("security_group")
    if group_id:
        cloud.state.groups.read(group_id)
    elif vxnet and not vxnet.router_id:
        group_id = cloud.state.default_group_id
    if parameters.texts("volumes"):
        raise NotEmulated("volumes")
    request = Request(
        count=count,
        name=parameters.text("instance_name"),
        hostname=parameters.text("hostname"),
        image=image,
        size=size,
        disk_gib=parameters.integer(
            "os_disk_size", image.disk_gib, low=image.disk_gib, high=LARGEST_DISK_GIB
        ),
        instance_class=parameters.integer("instance_class", size.instance_class),
        keypair_ids=keypair_ids,
        vxnet=vxnet,
        address=address,
        group_id=group_id,
        userdata=read_userdata(cloud, parameters),
    )
    require_stock(cloud, size.id)
    quotas.require(cloud, instance=count, cpu=count * size.vcpus, memory=count * size.memory_mib)
    return request


def read_size(cloud: Cloud, parameters: Parameters) -> InstanceType:
    """Return the size of the machines; by the documents `cpu` and `memory` override the type."""
    vcpus, memory = parameters.integer("cpu", 0), parameters.integer("memory", 0)
    unasked = (vcpus, memory) == SENT_UNASKED and parameters.text("instance_type")
    if vcpus and memory and not (unasked and cloud.faults.strike(TypeWins)):
        if vcpus not in VALID_VCPUS or memory not in VALID_MEMORY_MIB:
            raise BadParameter(f"cpu [{vcpus}] with memory [{memory}] is not on offer")
        return InstanceType(f"c{vcpus}m{memory // 1024}", vcpus, memory, 0)
    type_id = parameters.text("instance_type")
    if not type_id:
        raise MissingParameter("instance_type")
    size = INSTANCE_TYPES.get(type_id)
    if size is None:
        raise BadParameter(f"instance_type [{type_id}] is not on offer in this zone")
    if size.status != "available":
        raise PermissionDenied(f"instance_type [{type_id}] is {size.status}")
    return size


def read_login(cloud: Cloud, parameters: Parameters) -> list[str]:
    """Return the ids of a machine's keys; none for a login with a password."""
    if parameters.choice("login_mode", ("keypair", "passwd")) == "keypair":
        return [cloud.state.keypairs.read(parameters.required_text("login_keypair")).id]
    parameters.required_text("login_passwd")
    if not cloud.faults.strike(TakesPasswords):
        raise NotEmulated("logins with a password")
    return []


def _read_vxnet(cloud: Cloud, parameters: Parameters, count: int) -> tuple[Vxnet | None, str]:
    """Return the network, and the fixed address in it, or an empty text."""
    places = parameters.texts("vxnets")
    if not places:
        return None, ""
    if len(places) > 1:
        raise NotEmulated("instances in more than one vxnet")
    vxnet_id, _, address = places[0].partition("|")
    vxnet = cloud.state.vxnets.read(vxnet_id)
    if address and count > 1:
        raise BadParameter("a fixed address fits one instance only")
    if vxnet.cidr and count_free(vxnet) < count:
        raise PermissionDenied(f"vxnet [{vxnet.id}] has no [{count}] free addresses left")
    return vxnet, address


def _create(cloud: Cloud, request: Request) -> Instance:
    instance_id = cloud.new_id("i")
    vxnet = request.vxnet
    return cloud.state.instances.add(
        Instance(
            id=instance_id,
            name=request.name,
            created_at=cloud.now(),
            status=PENDING,
            image_id=request.image.id,
            type_id=request.size.id,
            vcpus=request.size.vcpus,
            memory_mib=request.size.memory_mib,
            disk_gib=request.disk_gib,
            instance_class=request.instance_class,
            hostname=request.hostname or instance_id,
            vxnet_id=vxnet.id if vxnet else "",
            nic_id=new_mac(cloud) if vxnet else "",
            address=take_address(vxnet, instance_id, request.address) if vxnet else "",
            group_id=request.group_id,
            keypair_ids=[*request.keypair_ids],
            userdata=request.userdata,
        )
    )


def new_mac(cloud: Cloud) -> str:
    return "52:54:" + ":".join(f"{cloud.random.randrange(256):02x}" for _ in range(4))


ACTIONS = {"RunInstances": run_instances}

"""Groups of machines: which image, which network, which are removed."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cloud.api import Cloud
from domain.cloud.images import SYSTEMS, check_system, choose_image
from domain.cloud.inventory import read_machines
from domain.cloud.records import Instance, InstanceStatus, Vxnet
from domain.kernel.errors import InvalidSpec, JobFailed
from domain.kernel.names import NODES, node_name
from domain.node.boot import SharedLook, wait_until_up
from domain.node.launch import WantedGroup, launch_missing, place
from domain.node.remove import check_count, choose_leaving
from domain.node.serving import SERVING, Fault, Standing, State
from domain.spec.cluster import MACHINES_PER_VXNET
from domain.spec.groups import MachineTemplate, Nodes
from tests.domain.clocks import JumpingClock
from tests.domain.makers import CREATED, make_image, make_instance

IMAGES = [
    make_image("noble1x64", "Ubuntu Server 24.04 LTS 64bit"),
    make_image("noble2x64", "Ubuntu Server 24.04.1 LTS 64bit"),
    make_image("noble3x64", "Ubuntu Server 24.04.2 LTS 64bit", status="deprecated"),
    make_image("jammyx64", "Ubuntu Server 22.04 LTS 64bit"),
]
VXNETS = [Vxnet(f"vxnet-{n}", f"k8s.demo.vxnet-{n}", "rtr-a", "", CREATED) for n in range(3)]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param("jammyx64", "jammyx64", id="by its id"),
        pytest.param("ubuntu 24.04", "noble2x64", id="newest that is available"),
        pytest.param("UBUNTU 22.04", "jammyx64", id="whatever the case"),
    ],
)
def test_an_image_is_chosen_by_id_or_by_words(wanted: str, chosen: str) -> None:
    assert choose_image(IMAGES, wanted).id == chosen


@pytest.mark.parametrize("wanted", ["ubuntu 20.04", "noble3x64", "windows"])
def test_an_unknown_image_is_refused_with_the_available_ones(wanted: str) -> None:
    with pytest.raises(InvalidSpec, match=r"available are: Ubuntu Server 22\.04"):
        choose_image(IMAGES, wanted)


@pytest.mark.parametrize(
    ("name", "family", "fits"),
    [
        pytest.param("Ubuntu Server 24.04.1 LTS 64bit", "ubuntu", True, id="a point release"),
        pytest.param("Debian 12 64bit", "debian", True, id="major alone"),
        pytest.param("Rocky Linux 9.4 64bit", "centos", True, id="the name counts too"),
        pytest.param("Debian Bookworm 64bit", "debian", True, id="no number is no proof"),
        pytest.param("CentOS 7.6 64bit", "centos", False, id="CentOS 7"),
        pytest.param("Ubuntu Server 20.04 LTS 64bit", "ubuntu", False, id="too old"),
        pytest.param("Ubuntu Server 26.04 LTS 64bit", "ubuntu", False, id="too new"),
        pytest.param("Debian 120 64bit", "debian", False, id="a longer number"),
        pytest.param("Windows Server 2022 64bit", "windows", False, id="Windows"),
    ],
)
def test_a_system_without_installer_support_is_refused_before_anything_is_created(
    name: str, family: str, fits: bool
) -> None:
    image = replace(make_image("img-1", name), os_family=family)
    if fits:
        check_system(image)
        return
    with pytest.raises(
        InvalidSpec, match=r"img-1.* choose one of: ubuntu 22\.04 or 24\.04, debian"
    ):
        check_system(image)


def test_the_installers_support_every_accepted_system() -> None:
    script = (Path(__file__).parents[3] / "installers/lib/machine.sh").read_text()
    for family, releases in SYSTEMS.items():
        for release in releases:
            assert f'"{family} {release}"' in script, (family, release)


@given(missing=st.integers(0, 800), used=st.lists(st.integers(0, 250), min_size=3, max_size=3))
def test_machines_fill_the_vxnets_and_never_more_than_they_hold(
    missing: int, used: list[int]
) -> None:
    taken = {vxnet.id: count for vxnet, count in zip(VXNETS, used, strict=True)}
    free = sum(MACHINES_PER_VXNET - count for count in used)
    if missing > free:
        with pytest.raises(InvalidSpec, match="no address left"):
            place(missing, VXNETS, taken)
        return
    placed = place(missing, VXNETS, taken)
    assert sum(placed.values()) == missing
    assert all(taken[vxnet] + count <= MACHINES_PER_VXNET for vxnet, count in placed.items())


def test_the_emptiest_machine_is_removed_and_among_equals_the_newest() -> None:
    machines = [make_instance(n) for n in (1, 2, 3, 4)]
    pods = {node_name(NODES, machine.id): 5 for machine in machines}
    pods[node_name(NODES, machines[1].id)] = 0
    well = dict.fromkeys([machine.id for machine in machines], SERVING)
    assert [m.id for m in choose_leaving(NODES, machines, 3, pods, well)] == [machines[1].id]
    leaving = choose_leaving(NODES, machines, 2, pods, well)
    assert [m.id for m in leaving] == [machines[1].id, machines[3].id]
    assert choose_leaving(NODES, machines, 9, pods, well) == ()


def test_a_broken_machine_is_removed_before_an_empty_one() -> None:
    machines = [make_instance(n) for n in (1, 2, 3)]
    pods = {node_name(NODES, machines[0].id): 30}
    standings = dict.fromkeys([machine.id for machine in machines], SERVING)
    standings[machines[0].id] = Standing(State.BROKEN, Fault.NOT_READY)
    chosen = choose_leaving(NODES, machines, 2, pods, standings)
    assert [machine.id for machine in chosen] == [machines[0].id]


class Booting:
    """The part of a cloud that lists machines: one that is pending at the first looks."""

    def __init__(self, *statuses: InstanceStatus) -> None:
        self.statuses = list(statuses)
        self.numbers: tuple[int, ...] = (1, 2)
        self.looks = 0

    @property
    def known(self) -> "Booting":
        return self

    def find_instances(self, prefix: str) -> list[Instance]:
        self.looks += 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return [make_instance(number, status=status) for number in self.numbers]


PENDING, RUNNING = InstanceStatus.PENDING, InstanceStatus.RUNNING


def test_no_first_host_key_is_generated_for_existing_machines_that_boot() -> None:
    def make_userdata() -> bytes:
        raise AssertionError("of these keys only the newest few are kept")

    wish = WantedGroup("demo", NODES, 2, MachineTemplate(), "img-1", (), "kp-1", "sg-1")
    cloud = cast(Cloud, Booting(PENDING))
    assert launch_missing(cloud, wish, make_userdata).did == "kept 2"


def look_at(cloud: Booting, clock: JumpingClock) -> SharedLook:
    return SharedLook(partial(read_machines, cast(Cloud, cloud), "demo"), clock=clock)


def test_waits_for_booting_machines_share_one_reading() -> None:
    cloud, clock = Booting(PENDING, PENDING, RUNNING), JumpingClock()
    look = look_at(cloud, clock)
    for number in (1, 2):
        machine = make_instance(number, status=PENDING)
        assert wait_until_up(machine, look, clock=clock).is_up
    assert cloud.looks == 3


def test_a_later_machine_is_noticed_as_soon_as_the_first() -> None:
    """In a process that lives long, such as a watch that adds a machine now and then."""
    cloud, clock = Booting(*[PENDING] * 20, RUNNING), JumpingClock()
    look = look_at(cloud, clock)
    wait_until_up(make_instance(1, status=PENDING), look, clock=clock)
    cloud.numbers, cloud.statuses = (1, 2, 3), [PENDING, PENDING, RUNNING]
    began = clock.monotonic()
    wait_until_up(make_instance(3, status=PENDING), look, clock=clock)
    assert clock.monotonic() - began < 3


def test_a_machine_that_was_up_is_not_read_again_however_late_it_is_asked_for() -> None:
    """A hundred machines join one after the other, when each one's packages are installed."""
    cloud, clock = Booting(PENDING, RUNNING), JumpingClock()
    look = look_at(cloud, clock)
    for number in (1, 2):
        wait_until_up(make_instance(number, status=PENDING), look, clock=clock)
        clock.sleep(60)
    assert cloud.looks == 2


def test_a_machine_that_the_cloud_does_not_list_any_more_is_named_at_once() -> None:
    cloud, clock = Booting(PENDING, InstanceStatus.CEASED), JumpingClock()
    with pytest.raises(JobFailed, match=r"i-k8s-node1 .* does not exist any more"):
        wait_until_up(make_instance(status=PENDING), look_at(cloud, clock), clock=clock)
    assert clock.monotonic() < 10


@pytest.mark.parametrize("status", [InstanceStatus.STOPPED, InstanceStatus.SUSPENDED])
def test_a_machine_that_is_switched_off_is_named_at_once(status: InstanceStatus) -> None:
    cloud, clock = Booting(status), JumpingClock()
    with pytest.raises(JobFailed, match=f"i-k8s-node1 .*it is {status}; start it"):
        wait_until_up(make_instance(status=status), look_at(cloud, clock), clock=clock)
    assert clock.monotonic() < 10


@pytest.mark.parametrize(
    ("group", "count", "advice"),
    [
        ("k8s-node", 11, "change nodes.minimum or nodes.maximum"),
        ("k8s-node", 0, "change nodes.minimum or nodes.maximum"),
        ("gpu", 11, "change groups.gpu.minimum or groups.gpu.maximum"),
    ],
)
def test_a_size_outside_the_bounds_is_refused(group: str, count: int, advice: str) -> None:
    with pytest.raises(InvalidSpec, match=advice):
        check_count(group, count, Nodes(minimum=1))

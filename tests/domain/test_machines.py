"""Groups of machines: which image, which network, which of them leave."""

from dataclasses import replace
from pathlib import Path

import pytest
from clocks import JumpingClock
from hypothesis import given
from hypothesis import strategies as st
from makers import CREATED, make_image, make_instance

from domain.cloud.images import SYSTEMS, check_system, choose_image
from domain.cloud.records import Instance, InstanceStatus, Vxnet
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import NODES, node_name
from domain.node.launch import GroupWish, launch_missing, place
from domain.node.remove import check_count, choose_leaving
from domain.spec.cluster import MACHINES_PER_VXNET, MachineTemplate, Nodes

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
def test_an_unknown_image_is_refused_with_what_there_is(wanted: str) -> None:
    with pytest.raises(InvalidSpec, match=r"there are: Ubuntu Server 22\.04"):
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
def test_a_system_that_the_installers_refuse_is_refused_before_it_costs(
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


def test_the_installers_take_what_is_let_through() -> None:
    script = (Path(__file__).parents[2] / "installers/lib/machine.sh").read_text()
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


def test_the_emptiest_machine_leaves_and_among_equals_the_newest() -> None:
    machines = [make_instance(n) for n in (1, 2, 3, 4)]
    pods = {node_name(NODES, machine.id): 5 for machine in machines}
    pods[node_name(NODES, machines[1].id)] = 0
    assert [m.id for m in choose_leaving(NODES, machines, 3, pods)] == [machines[1].id]
    leaving = choose_leaving(NODES, machines, 2, pods)
    assert [m.id for m in leaving] == [machines[1].id, machines[3].id]
    assert choose_leaving(NODES, machines, 9, pods) == ()


class Booting:
    """The part of a cloud that lists machines: one that is pending at the first look."""

    def __init__(self) -> None:
        self.looks = iter([InstanceStatus.PENDING, InstanceStatus.PENDING])

    def find_instances(self, prefix: str) -> list[Instance]:
        return [make_instance(status=next(self.looks, InstanceStatus.RUNNING))]


def test_no_first_host_key_is_spent_on_machines_that_are_there_and_boot() -> None:
    def make_userdata() -> bytes:
        raise AssertionError("of these keys only the newest few are kept")

    wish = GroupWish("demo", NODES, 1, MachineTemplate(), "img-1", (), "kp-1", "sg-1")
    cloud = Booting()
    (machine,) = launch_missing(cloud, wish, make_userdata, JumpingClock()).value  # type: ignore[arg-type]
    assert machine.is_up


@pytest.mark.parametrize(
    ("group", "count"), [("k8s-master", 3), ("k8s-node", 11), ("k8s-node", 0), ("nodes", 2)]
)
def test_a_size_outside_the_bounds_or_of_an_unknown_group_is_refused(
    group: str, count: int
) -> None:
    with pytest.raises(InvalidSpec):
        check_count(group, count, Nodes(minimum=1))

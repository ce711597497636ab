"""How many machines pods need, and which pods no machine can hold."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.autoscaling.fit.packing import Packed, Room, pack
from domain.autoscaling.fit.place import Misfit, place_of_node
from domain.autoscaling.see.placement import (
    HOSTNAME,
    HostPort,
    Operator,
    Placement,
    PodTerm,
    Requirement,
    Taint,
    Toleration,
)
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod, Template
from tests.domain.autoscaling.scaling_makers import SIZE, TEMPLATE, make_node, make_pods

WEB = (Requirement("app", Operator.IN, ("web",)),)
ZONE = "topology.kubernetes.io/zone"
LABELS = {"app": "web"}


def pack_pods(
    pods: Sequence[SeenPod], *nodes: SeenNode, template: Template = TEMPLATE, places: int = 40
) -> Packed:
    return pack(pods, Room([place_of_node(node) for node in nodes]), template, places)


def apart(topology: str = HOSTNAME) -> Placement:
    return Placement(apart=(PodTerm(topology, WEB, ()),))


def together(topology: str = HOSTNAME) -> Placement:
    return Placement(together=(PodTerm(topology, WEB, ()),))


@pytest.mark.parametrize(
    ("pods", "machines"),
    [
        pytest.param((), 0, id="no pending pods"),
        pytest.param(make_pods(40), 1, id="places"),
        pytest.param(make_pods(41), 2, id="one place too few"),
        pytest.param(make_pods(9, requests=Resources(cpu_millis=500)), 3, id="cpu"),
        pytest.param(make_pods(9, requests=Resources(memory_bytes=2**30)), 3, id="memory"),
        pytest.param(make_pods(3, placement=apart(), labels=LABELS), 3, id="each its own node"),
        pytest.param(
            make_pods(3, placement=Placement(host_ports=(HostPort(80),))), 3, id="host port"
        ),
        pytest.param(make_pods(40, placement=together(), labels=LABELS), 1, id="together"),
        pytest.param(
            (
                *make_pods(2, requests=Resources(cpu_millis=1500)),
                *make_pods(2, requests=Resources(cpu_millis=500)),
            ),
            2,
            id="small ones fill the gaps of large ones",
        ),
    ],
)
def test_pods_need_so_many_empty_machines(pods: Sequence[SeenPod], machines: int) -> None:
    assert pack_pods(pods) == Packed(machines)


TAINTED = Template("t", SIZE, taints=(Taint("gpu", "yes"),))
LABELLED = Template("t", SIZE, labels={"disk": "fast", ZONE: "a"})


@pytest.mark.parametrize(
    ("pod", "template", "misfit"),
    [
        pytest.param({"requests": Resources(cpu_millis=2001)}, TEMPLATE, Misfit.CPU, id="cpu"),
        pytest.param(
            {"requests": Resources(memory_bytes=2**33)}, TEMPLATE, Misfit.MEMORY, id="memory"
        ),
        pytest.param(
            {"requests": Resources(others=(("nvidia.com/gpu", 1),))},
            TEMPLATE,
            Misfit.OTHER,
            id="no gpu",
        ),
        pytest.param({}, TAINTED, Misfit.TAINTS, id="a taint"),
        pytest.param(
            {"placement": Placement(all_of=(Requirement("disk", Operator.IN, ("slow",)),))},
            LABELLED,
            Misfit.LABELS,
            id="other label",
        ),
        pytest.param({"placement": together()}, TEMPLATE, Misfit.NEIGHBOURS, id="no pod to join"),
        pytest.param(
            {"placement": together("rack"), "labels": LABELS},
            TEMPLATE,
            Misfit.NEIGHBOURS,
            id="a topology that no machine has",
        ),
    ],
)
def test_pod_that_no_template_holds_is_named_with_its_reason(
    pod: dict[str, object], template: Template, misfit: Misfit
) -> None:
    pods = make_pods(2, **pod)
    packed = pack_pods(pods, template=template)
    assert packed.machines == 0
    assert {(pod.title, why) for pod, why in packed.unfit} == {(pod.title, misfit) for pod in pods}


@pytest.mark.parametrize(
    ("requirement", "holds"),
    [
        pytest.param(Requirement("disk", Operator.IN, ("fast", "slow")), True, id="in"),
        pytest.param(Requirement("disk", Operator.NOT_IN, ("fast",)), False, id="not in"),
        pytest.param(Requirement("gone", Operator.NOT_IN, ("fast",)), True, id="not in, absent"),
        pytest.param(Requirement("disk", Operator.EXISTS), True, id="exists"),
        pytest.param(Requirement("gone", Operator.EXISTS), False, id="exists not"),
        pytest.param(Requirement("gone", Operator.DOES_NOT_EXIST), True, id="does not exist"),
        pytest.param(Requirement("cores", Operator.ABOVE, ("3",)), True, id="4 is above 3"),
        pytest.param(Requirement("cores", Operator.ABOVE, ("few",)), False, id="few is no number"),
        pytest.param(Requirement("cores", Operator.ABOVE, ("3", "5")), False, id="two numbers"),
        pytest.param(Requirement("cores", Operator.BELOW, ("4",)), False, id="4 is not below 4"),
        pytest.param(Requirement("disk", Operator.ABOVE, ("1",)), False, id="no number"),
    ],
)
def test_requirements_read_labels_as_the_scheduler_does(
    requirement: Requirement, holds: bool
) -> None:
    assert requirement.holds({"disk": "fast", "cores": "4"}) is holds


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        pytest.param(Toleration("gpu", "Equal", "yes"), True, id="key and value"),
        pytest.param(Toleration("gpu", "Equal", "no"), False, id="other value"),
        pytest.param(Toleration("gpu", "Exists"), True, id="any value"),
        pytest.param(Toleration("", "Exists"), True, id="everything"),
        pytest.param(Toleration("gpu", "Exists", effect="NoExecute"), False, id="other effect"),
    ],
)
def test_tolerations_cover_taints_as_the_scheduler_says(
    toleration: Toleration, covers: bool
) -> None:
    placement = Placement(tolerations=(toleration,))
    assert placement.tolerates((Taint("gpu", "yes"),)) is covers
    assert Placement().tolerates((Taint("gpu", "yes", "PreferNoSchedule"),))


def test_existing_room_is_used_first() -> None:
    assert pack_pods(make_pods(30), make_node(1, 20)) == Packed(1)
    assert pack_pods(make_pods(20), make_node(1, 20)) == Packed(0)


def test_one_of_several_affinity_terms_is_enough() -> None:
    slow = (Requirement("disk", Operator.IN, ("slow",)),)
    fast = (Requirement("disk", Operator.IN, ("fast",)),)
    either = make_pods(1, placement=Placement(any_of=(slow, fast)))
    assert pack_pods(either, template=LABELLED) == Packed(1)


def test_anti_affinity_of_other_pods_counts() -> None:
    hermit = make_pods(1, placement=apart())
    assert pack_pods(make_pods(1, labels=LABELS), make_node(1, hermit)) == Packed(1)
    assert pack_pods(make_pods(1), make_node(1, hermit)) == Packed(0)


def test_pods_with_affinity_join_the_domain_of_the_others() -> None:
    company = make_node(1, make_pods(1, labels=LABELS), labels={ZONE: "a"})
    assert pack_pods(make_pods(5, placement=together()), company) == Packed(0)
    crowd = make_node(1, make_pods(40, labels=LABELS), labels={ZONE: "a"})
    in_zone = make_pods(5, placement=together(ZONE))
    assert pack_pods(in_zone, crowd, template=LABELLED) == Packed(1)
    elsewhere = make_node(1, make_pods(40, labels=LABELS), labels={ZONE: "b"})
    assert pack_pods(in_zone, elsewhere, template=LABELLED).machines == 0


def test_thousands_of_pods_with_anti_affinity_are_packed_in_one_pass() -> None:
    hermits = make_pods(4000, placement=apart(), labels=LABELS)
    there = [make_node(number, make_pods(1, labels=LABELS)) for number in range(100)]
    assert pack_pods(hermits, *there, make_node(100, 0)) == Packed(3999)


def test_terms_match_only_their_namespaces() -> None:
    others = make_pods(1, namespace="other", labels=LABELS)
    assert pack_pods(make_pods(1, placement=apart()), make_node(1, others)) == Packed(0)
    both = Placement(apart=(PodTerm(HOSTNAME, WEB, ("default", "other")),))
    assert pack_pods(make_pods(1, placement=both), make_node(1, others)) == Packed(1)


ANY_NAMESPACE: tuple[Requirement, ...] = ()
OTHER_NAMESPACE = (Requirement("kubernetes.io/metadata.name", Operator.IN, ("other",)),)


@pytest.mark.parametrize(
    ("term", "machines"),
    [
        pytest.param(PodTerm(HOSTNAME, WEB, (), ANY_NAMESPACE), 1, id="all namespaces"),
        pytest.param(PodTerm(HOSTNAME, WEB, (), OTHER_NAMESPACE), 1, id="one by its label"),
        pytest.param(PodTerm(HOSTNAME, WEB, ("default",), OTHER_NAMESPACE), 1, id="one of two"),
        pytest.param(PodTerm(HOSTNAME, (), (), ANY_NAMESPACE), 1, id="every pod"),
        pytest.param(PodTerm(HOSTNAME, None, (), ANY_NAMESPACE), 0, id="no pod at all"),
    ],
)
def test_anti_affinity_counts_pods_of_its_namespaces(term: PodTerm, machines: int) -> None:
    there = make_node(1, make_pods(1, namespace="other", labels=LABELS))
    alone = make_pods(1, placement=Placement(apart=(term,)))
    assert pack_pods(alone, there) == Packed(machines)


def test_overcommitted_node_takes_pods_without_requests() -> None:
    crowded = make_node(1, make_pods(2, requests=Resources(2000, 2**32)))
    assert pack_pods(make_pods(1, requests=Resources()), crowded) == Packed(0)
    assert pack_pods(make_pods(1, requests=Resources(cpu_millis=1)), crowded) == Packed(1)
    assert pack_pods(make_pods(1, placement=apart()), crowded) == Packed(0)


def test_pod_whose_affinity_matches_no_pod_is_unfit() -> None:
    (lost,) = make_pods(1, placement=Placement(together=(PodTerm(HOSTNAME, None),)), labels=LABELS)
    assert pack_pods([lost], make_node(1, 1)) == Packed(0, ((lost, Misfit.NEIGHBOURS),))


REQUESTS = st.builds(
    Resources, cpu_millis=st.integers(0, 2500), memory_bytes=st.integers(0, 5 * 2**30)
)


@settings(deadline=None)
@given(requests=st.lists(REQUESTS, max_size=60), places=st.integers(1, 10))
def test_every_pod_that_fits_an_empty_machine_gets_a_place(
    requests: list[Resources], places: int
) -> None:
    pods = [SeenPod("default", f"p{n}", requests=wanted) for n, wanted in enumerate(requests)]
    packed = pack_pods(pods, places=places)
    fitting = [
        pod.requests
        for pod in pods
        if pod.requests.cpu_millis <= SIZE.cpu_millis
        and pod.requests.memory_bytes <= SIZE.memory_bytes
    ]
    assert len(packed.unfit) == len(pods) - len(fitting)
    assert packed.machines <= len(fitting)
    assert packed.machines * places >= len(fitting)
    assert packed.machines * SIZE.cpu_millis >= sum(wanted.cpu_millis for wanted in fitting)
    assert packed.machines * SIZE.memory_bytes >= sum(wanted.memory_bytes for wanted in fitting)

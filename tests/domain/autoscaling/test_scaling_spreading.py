"""Topology spread constraints: where pods fit, and how many machines they need."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.autoscaling.decision import ScaleIn, ScaleOut
from domain.autoscaling.fit.packing import Packed, Room, pack
from domain.autoscaling.fit.place import Misfit, Place, place_of_node
from domain.autoscaling.fit.spreading import Spreading
from domain.autoscaling.see.placement import (
    HOSTNAME,
    Operator,
    Placement,
    Requirement,
    Spread,
    Taint,
)
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod
from tests.domain.autoscaling.scaling_makers import (
    NOON,
    TEMPLATE,
    decide_calmly,
    make_node,
    make_pods,
    make_snapshot,
    with_machine,
    with_node,
)

WEB = (Requirement("app", Operator.IN, ("web",)),)
ZONE = "zone"
IN_ZONE = {zone: {ZONE: zone} for zone in "abc"}
EVENLY = Spread(HOSTNAME, 1, WEB)
SMALL = Resources(cpu_millis=10)
HUGE = Resources(cpu_millis=1500)
FULL = make_pods(1, requests=Resources(cpu_millis=2000))


def web(count: int, *spreads: Spread, **fields: object) -> tuple[SeenPod, ...]:
    placement = Placement(spread=spreads or (EVENLY,))
    usual = {"labels": {"app": "web"}, "placement": placement, "requests": SMALL}
    return make_pods(count, **{**usual, **fields})


def packed(pods: tuple[SeenPod, ...], *nodes: SeenNode) -> Packed:
    return pack(pods, Room([place_of_node(node) for node in nodes]), TEMPLATE, 40)


def misfit(pod: SeenPod, node: SeenNode, *closed: SeenNode) -> Misfit | None:
    room = Room([place_of_node(node)], [place_of_node(one) for one in closed])
    return room.misfit(pod, room.places[0])


@pytest.mark.parametrize(
    ("spread", "here", "there", "expected"),
    [
        pytest.param(EVENLY, web(0), web(0), None, id="the first one"),
        pytest.param(EVENLY, web(1), web(1), None, id="as many as there"),
        pytest.param(EVENLY, web(1), web(0), Misfit.SPREAD, id="one more than there"),
        pytest.param(replace(EVENLY, most_skew=2), web(1), web(0), None, id="it may be two more"),
        pytest.param(
            EVENLY, web(1, labels={"app": "other"}), web(0), None, id="others do not count"
        ),
        pytest.param(
            EVENLY, web(1, namespace="far"), web(0), None, id="nor those of another namespace"
        ),
        pytest.param(EVENLY, web(1, leaving=True), web(0), None, id="nor those that are deleted"),
        pytest.param(Spread(HOSTNAME, 1, ()), web(1), web(0), None, id="none is meant"),
        pytest.param(Spread("rack", 1, WEB), web(0), web(0), Misfit.SPREAD, id="no such label"),
        pytest.param(
            replace(EVENLY, least_domains=3), web(1), web(1), Misfit.SPREAD, id="too few domains"
        ),
        pytest.param(replace(EVENLY, least_domains=2), web(1), web(1), None, id="enough of them"),
    ],
)
def test_node_takes_a_pod_within_the_allowed_skew(
    spread: Spread,
    here: tuple[SeenPod, ...],
    there: tuple[SeenPod, ...],
    expected: Misfit | None,
) -> None:
    (pod,) = web(1, spread)
    assert misfit(pod, make_node(1, here), make_node(2, there)) is expected


def test_pod_that_does_not_match_its_own_selector_needs_no_lower_domain() -> None:
    (pod,) = web(1, labels={"app": "other"})
    assert misfit(pod, make_node(1, web(1)), make_node(2, ())) is None
    assert misfit(pod, make_node(1, web(2)), make_node(2, ())) is Misfit.SPREAD


def test_zones_are_counted_as_a_whole() -> None:
    (pod,) = web(1, Spread(ZONE, 1, WEB))
    here = make_node(1, web(1), labels=IN_ZONE["a"])
    same, other = (make_node(2, web(1), labels=IN_ZONE[zone]) for zone in "ab")
    empty = make_node(3, (), labels=IN_ZONE["b"])
    assert misfit(pod, here, same, empty) is Misfit.SPREAD
    assert misfit(pod, here, other, empty) is None


SSD = (Requirement("disk", Operator.IN, ("ssd",)),)
SPOT = (Taint("spot"),)


@pytest.mark.parametrize(
    ("spread", "away", "expected"),
    [
        pytest.param(EVENLY, {"labels": {}}, None, id="one that it does not select"),
        pytest.param(
            replace(EVENLY, honors_labels=False), {"labels": {}}, Misfit.SPREAD, id="it counts all"
        ),
        pytest.param(EVENLY, {"taints": SPOT}, Misfit.SPREAD, id="one that it does not tolerate"),
        pytest.param(
            replace(EVENLY, honors_taints=True), {"taints": SPOT}, None, id="it counts tolerated"
        ),
        pytest.param(
            replace(EVENLY, honors_taints=True), {"schedulable": False}, None, id="a cordoned one"
        ),
        pytest.param(EVENLY, {"schedulable": False}, Misfit.SPREAD, id="cordoned is a taint"),
    ],
)
def test_which_empty_node_makes_one_pod_too_many(
    spread: Spread, away: dict[str, object], expected: Misfit | None
) -> None:
    (pod,) = web(1, placement=Placement(all_of=SSD, spread=(spread,)))
    ssd: dict[str, object] = {"labels": {"disk": "ssd"}}
    assert misfit(pod, make_node(1, web(1), **ssd), make_node(2, (), **{**ssd, **away})) is expected


@pytest.mark.parametrize(
    ("pods", "nodes", "machines"),
    [
        pytest.param(web(6), (make_node(1, ()), make_node(2, ())), 0, id="there is room"),
        pytest.param(web(1), (make_node(1, FULL), make_node(2, web(1))), 1, id="not where it is"),
        pytest.param(web(4, requests=HUGE), (make_node(1, ()), make_node(2, ())), 2, id="one each"),
        pytest.param(web(3), (), 1, id="one machine has them all"),
        pytest.param(
            web(2, replace(EVENLY, least_domains=4)), (make_node(1, web(1)),), 2, id="domains"
        ),
        pytest.param(
            web(3),
            (make_node(1, FULL), make_node(2, web(1))),
            3,
            id="one more than a full node has",
        ),
    ],
)
def test_spread_pods_without_a_place_need_machines(
    pods: tuple[SeenPod, ...], nodes: tuple[SeenNode, ...], machines: int
) -> None:
    assert packed(pods, *nodes) == Packed(machines)


def test_zone_without_a_template_makes_pods_unfit() -> None:
    a = make_node(1, web(1), labels=IN_ZONE["a"])
    b = make_node(2, FULL, labels=IN_ZONE["b"])
    (pod,) = web(1, Spread(ZONE, 1, WEB))
    room = Room([place_of_node(a), place_of_node(b)])
    template = replace(TEMPLATE, labels=IN_ZONE["a"])
    assert pack([pod], room, template, 40) == Packed(0, ((pod, Misfit.SPREAD),))


def test_new_machine_in_one_zone_makes_room_usable_in_another() -> None:
    a = make_node(1, web(1), labels=IN_ZONE["a"])
    b = make_node(2, FULL, labels=IN_ZONE["b"])
    room = Room([place_of_node(a), place_of_node(b)])
    template = replace(TEMPLATE, labels=IN_ZONE["b"])
    assert pack(web(5, Spread(ZONE, 1, WEB)), room, template, 40) == Packed(1)


def test_full_domain_needs_a_machine_although_others_have_room() -> None:
    decision = decide_calmly(
        replace(with_node(make_snapshot(5, 5), 1, pods=FULL), pending=web(3, requests=HUGE))
    )
    assert isinstance(decision, ScaleOut)


def test_nodes_that_boot_or_are_removed_are_not_empty_domains() -> None:
    snapshot = replace(make_snapshot(0, 0, 0), pending=web(2))
    snapshot = with_node(snapshot, 1, pods=web(1))
    snapshot = with_machine(snapshot, 2, leaving=True)
    snapshot = with_machine(
        with_node(snapshot, 3, ready=False), 3, created_at=NOON - timedelta(seconds=60)
    )
    decision = decide_calmly(snapshot)
    assert not isinstance(decision, ScaleOut), decision.sentence


def test_node_is_removed_when_its_pod_may_join_the_others() -> None:
    snapshot = make_snapshot(25, 1, 25)
    for number in (1, 2, 3):
        snapshot = with_node(snapshot, number, pods=(*make_pods(24 * (number != 2)), *web(1)))
    decision = decide_calmly(snapshot)
    assert isinstance(decision, ScaleIn)
    assert decision.node == "k8s-node-2"


NODES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([(), SPOT])),
    min_size=1,
    max_size=6,
)
SPREADS = st.builds(
    Spread,
    topology=st.sampled_from([HOSTNAME, ZONE]),
    most_skew=st.integers(1, 3),
    selector=st.just(WEB),
    least_domains=st.integers(1, 4),
    honors_taints=st.booleans(),
)


@settings(deadline=None)
@given(
    nodes=NODES,
    spreads=st.lists(SPREADS, min_size=1, max_size=2, unique_by=lambda one: one.topology),
    moves=st.lists(st.tuples(st.sampled_from(["put", "take", "leave"]), st.integers(0, 5))),
)
def test_incremental_counts_equal_a_new_count(
    nodes: list[tuple[str, int, tuple[Taint, ...]]],
    spreads: list[Spread],
    moves: list[tuple[str, int]],
) -> None:
    (pod,) = web(1, *spreads)
    places = [
        place_of_node(make_node(number, web(pods), labels=IN_ZONE[zone], taints=taints))
        for number, (zone, pods, taints) in enumerate(nodes)
    ]
    spreading, away = Spreading(places), list[Place]()
    for move, number in moves:
        spreading.allow(pod, places[0])  # from here on it is counted
        place = places[number % len(places)]
        if move == "leave":
            (spreading.open if place in away else spreading.close)(place)
            (away.remove if place in away else away.append)(place)
        elif place not in away and (move == "put" or place.residents):
            moved = pod if move == "put" else place.residents[-1]
            sign = 1 if move == "put" else -1
            place.change(moved, sign)
            spreading.count(moved, place, sign)
    anew = Spreading(place for place in places if place not in away)
    for place in places:
        assert spreading.allow(pod, place) == anew.allow(pod, place)

"""The difference between an undisturbed run and a struck one, and its words."""

import pytest

from benchmarks.reliability.compare import Difference, Fault, Holdings, compare
from benchmarks.reliability.cycle import Outcome
from benchmarks.reliability.points import Stage, parse_point
from benchmarks.reliability.report import summary

WHOLE: Holdings = {"routers": {"k8s.demo.router": 1}, "machines": {"master": 1, "node": 2}}


@pytest.mark.parametrize(
    ("expected", "seen", "faults"),
    [
        pytest.param(WHOLE, WHOLE, [], id="equal"),
        pytest.param(
            WHOLE, {**WHOLE, "routers": {"k8s.demo.router": 2}}, [Fault.DUPLICATE], id="twice"
        ),
        pytest.param(WHOLE, {"routers": WHOLE["routers"]}, [Fault.MISSING], id="missing"),
        pytest.param(
            WHOLE, {**WHOLE, "machines": {"master": 2, "node": 1}}, [Fault.DIFFERENT], id="other"
        ),
        pytest.param({}, WHOLE, [Fault.LEAK, Fault.LEAK], id="left after a teardown"),
    ],
)
def test_difference_is_named_by_what_it_costs(
    expected: Holdings, seen: Holdings, faults: list[Fault]
) -> None:
    assert [one.fault for one in compare(expected, seen)] == faults


def test_difference_says_how_many_of_what() -> None:
    [one] = compare(WHOLE, {**WHOLE, "routers": {"k8s.demo.router": 2}})
    assert one.text == "routers: 1 wanted, 2 exist: k8s.demo.router"


def test_result_counts_and_says_how_to_repeat_a_point() -> None:
    point = parse_point("teardown:cloud:DeleteTags#1:late-75s")
    leak = Difference(Fault.LEAK, "tags: 0 wanted, 1 exist: demo")
    failed = Outcome(str(point), Stage.TEARDOWN, 2, ("killed",), (leak,), 1.0, point)
    other = parse_point("provision:ssh:make-host-key#1:killed-before")
    well = Outcome(str(other), Stage.PROVISION, 2, ("killed",), (), 1.0, other)
    lines = list(summary([failed, well], 60))
    assert lines[0] == (
        "2 points, 1 converged; 0 duplicate, 0 missing, 1 leak, 0 different, 0 hang, 0 unfinished; "
        "60 s"
    )
    assert (
        "cloud       late-75s                         -           -           -         0/1"
        in lines
    )
    assert lines[-1] == "    again: make matrix ARGS='--only teardown:cloud:DeleteTags#1:late-75s'"

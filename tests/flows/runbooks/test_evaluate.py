"""One evaluation as production runs it, where machines are stopped or never join."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from domain.autoscaling.memory.keeping import keep_memory, read_memory
from domain.autoscaling.report import Evaluation
from domain.autoscaling.see.snapshot import SeenPod
from domain.kernel.errors import CommandFailed, FinalError, WaitTimedOut
from domain.kernel.names import NODES
from domain.reports.unfinished import Unfinished
from domain.spec.presets import parse_policy
from flows.runbooks.evaluate import evaluate
from tasks.autoscaling import consider
from tasks.cases import Case
from tasks.executors import PlainSteps
from tasks.metrics import need_machines
from tasks.overview import need_spec, read_unfinished
from tests.flows.runbooks.world import SPEC, World, new_world

pytestmark = pytest.mark.filterwarnings("ignore:Artifact creation outside:FutureWarning")

POLICY = parse_policy({"preset": "pending", "minimum": 2, "cooldown_out_seconds": 0})
TEN = tuple(SeenPod("default", f"web-{number}") for number in range(10))


@pytest.fixture(autouse=True)
def no_server() -> Iterator[None]:
    """Artifacts go nowhere: an evaluation does not depend on them."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield


def open_case(world: World) -> Case:
    cluster = world.open()
    return Case(cluster.wanting(need_spec(cluster)), need_machines(cluster), POLICY)


def evaluate_once(world: World) -> Evaluation:
    return evaluate(PlainSteps(world.clock), open_case(world))


def workers(world: World) -> set[str]:
    """The ids of the machines of the group that the cloud lists."""
    return {machine.id for machine in world.machines() if machine.name.endswith(NODES)}


def make_old(world: World) -> None:
    """Let what the memory holds about broken machines be an hour old."""
    api = world.open().api()
    memory = read_memory(api, NODES)
    since = {name: at - timedelta(hours=1) for name, at in memory.broken_since.items()}
    keep_memory(api, NODES, replace(memory, broken_since=since))


def test_a_stopped_machine_is_replaced_by_one_and_removed_without_waiting(world: World) -> None:
    world.provision()
    [stopped, well] = sorted(workers(world))
    world.stop(stopped)
    world.waiting = TEN
    broken = Unfinished(
        f"machine {stopped}",
        "is broken: it is stopped",
        "python -m flows.repair --name demo",
    )
    assert broken in read_unfinished(world.open(), SPEC, api_ready=True)

    begin = world.clock.monotonic()
    found = evaluate_once(world)
    assert (found.kind, found.size, found.target, found.acted) == ("out", 1, 2, True)
    assert f"{stopped}: it is broken (it is stopped, since " in found.details[-1]
    assert len(workers(world)) == 3
    assert len(world.ready_workers()) == 3  # the stopped one's node, too, for another 40 s
    assert world.clock.monotonic() - begin < 60

    world.waiting = ()
    assert evaluate_once(world).kind == "hold"
    make_old(world)
    found = evaluate_once(world)
    assert (found.kind, found.size, found.target, found.acted) == ("repair", 2, 2, True)
    assert workers(world) > {well}
    assert stopped not in workers(world)
    assert world.state()["nodes are machines"]
    assert world.state()["wanted"] == 2
    assert evaluate_once(world).kind == "hold"


def test_a_machine_that_recovers_right_before_its_removal_stays(world: World) -> None:
    world.provision()
    [stopped, _] = sorted(workers(world))
    world.stop(stopped)
    evaluate_once(world)
    make_old(world)
    case = open_case(world)
    world.start(stopped)
    with pytest.raises(FinalError, match=r"not broken any more: (serving|booting)"):
        evaluate(PlainSteps(world.clock), case)
    assert stopped in workers(world)
    assert world.state()["nodes are schedulable"]


def test_of_two_new_machines_the_well_one_serves_and_the_other_is_named(world: World) -> None:
    world.provision()
    world.waiting = TEN * 8
    world.silence_next(1)
    with pytest.raises(WaitTimedOut) as failed:
        evaluate_once(world)
    assert len(workers(world)) == 4
    assert len(world.ready_workers()) == 3
    [silent] = world.silent
    assert f"SSH on machine {silent}: not seen within 600 s" in str(failed.value)


def test_a_new_machine_is_young_whatever_the_clock_of_the_cloud_shows() -> None:
    with new_world(lag=timedelta(minutes=20)) as world:
        world.provision()
        world.break_next(1)
        with pytest.raises(CommandFailed):
            world.scale(3)
        found = consider(open_case(world))
        assert (found.decision.basis.size, found.decision.basis.booting) == (3, 1)
        assert found.evaluation.details == (
            "the cloud's clock is 20 min behind this machine's: clocks differ",
        )


def test_a_cluster_whose_clock_is_ahead_is_named(world: World) -> None:
    world.provision()
    world.time = datetime.now(UTC) + timedelta(minutes=5)
    assert consider(open_case(world)).evaluation.details == (
        "the cluster's clock is 5 min ahead of this machine's: clocks differ",
    )

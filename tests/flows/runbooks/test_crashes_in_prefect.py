"""Ten of the crashes once more, through the layers of production: flow run, task runs, retries."""

from collections.abc import Callable, Iterator

import pytest
from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.testing.utilities import prefect_test_harness

from domain.kernel.errors import ClusterError
from flows.runbooks.nodes import MOST_AT_ONCE
from tasks.executors import PrefectSteps, Steps
from tests.flows.runbooks.world import Strike, Way, World

PAUSES = (0.3, 0.3, 0.3)

Run = Callable[[World, Strike, Steps], None]


def provision(world: World, strike: Strike, steps: Steps) -> None:
    world.provision(strike, steps=steps)


def scale_out(world: World, strike: Strike, steps: Steps) -> None:
    world.scale(4, strike, steps)


def scale_in(world: World, strike: Strike, steps: Steps) -> None:
    world.scale(1, strike, steps)


def tear_down(world: World, strike: Strike, steps: Steps) -> None:
    world.teardown(strike, steps)


CASES: list[tuple[Run, str, Way]] = [
    (provision, "create_vpc", Way.REPLY_LOST),
    (provision, "join_router", Way.REPLY_LOST),
    (provision, "run_instances", Way.REPLY_LOST),
    (provision, "update_router", Way.REPLY_LOST),
    (provision, "allocate_eip", Way.REQUEST_LOST),
    (provision, "create_loadbalancer", Way.FINAL),
    (scale_out, "run_instances", Way.TEMPORARY),
    (scale_in, "terminate_instances", Way.REPLY_LOST),
    (tear_down, "leave_router", Way.REPLY_LOST),
    (tear_down, "delete_vpc", Way.FINAL),
]


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


class FirstOf(Strike):
    """Strikes the first change of a name: in threads, numbers do not tell which one is meant."""

    def __init__(self, name: str, way: Way) -> None:
        super().__init__(way=way)
        self._name = name

    def is_meant(self, number: int, name: str) -> bool:
        return name == self._name and self.changes.count(name) == 1


@pytest.mark.parametrize(
    ("run", "name", "way"), CASES, ids=[f"{name} {way}" for _, name, way in CASES]
)
def test_a_flow_that_is_struck_converges(world: World, run: Run, name: str, way: Way) -> None:
    if run is not provision:
        world.provision()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE))  # type: ignore[arg-type]
    def struck(strike: Strike) -> None:
        run(world, strike, PrefectSteps(PAUSES))

    strike = FirstOf(name, way)
    try:
        struck(strike)
    except ClusterError:
        assert way is Way.FINAL
        struck(strike)
    assert name in strike.changes
    state = world.state()
    if run is tear_down:
        assert state["resources"] == {}
        return
    assert state["nodes are machines"]
    assert state["keys are of machines"]
    assert world.tokens() == []
    counts = {"router": 1, "vxnet": 1, "eip": 1, "loadbalancer": 1, "security_group": 2}
    machines = 3 if run is provision else 5 if run is scale_out else 2
    assert world.resources() | counts | {"instance": machines} == world.resources()

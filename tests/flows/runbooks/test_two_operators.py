"""Two operators on two machines, who share an account and a Prefect server.

Of two runs that begin at once one goes on, and the other one waits or is refused by name.
Typed again, both end where one after the other would have ended, and nothing exists twice.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Barrier, Event, Thread

import pytest

from domain.cluster.claims import Holder, Terms
from domain.cluster.leases import VALID
from domain.kernel.errors import ClaimLost, OtherRun, UnknownOutcome
from domain.secrets.pki import make_ssh_keypair
from tasks.claims import this_run
from tasks.runs import LEASE, only_run, unless_other_run
from tests.flows.runbooks.world import Strike, Way, World, new_world

ROUNDS = 2
"""Of each pair; ten take a minute and a half."""

TERMS = Terms(valid=3.0, renew=0.2, sure=2.0)
Run = Callable[[World], None]


def provision(world: World) -> None:
    world.provision()


def scale(count: int) -> Run:
    return lambda world: world.scale(count)


def tear_down(world: World) -> None:
    world.teardown()


PAIRS: dict[str, tuple[tuple[Run, ...], Run, Run, set[int]]] = {
    "two provisions": ((), provision, provision, {3}),
    "provision and teardown": ((provision,), provision, tear_down, {0, 3}),
    "two scale-outs": ((provision,), scale(3), scale(4), {4, 5}),
    "two removals": ((provision, scale(4)), scale(3), scale(2), {3, 4}),
    "out and in": ((provision,), scale(3), scale(1), {2, 4}),
}
"""What was done before, the two runs, and how many machines may be left."""


def until_done(world: World, run: Run, at_once: Barrier) -> None:
    """Type a command until it is not refused."""
    at_once.wait()
    while True:
        try:
            run(world)
        except OtherRun:
            continue
        return


@pytest.mark.parametrize("name", PAIRS, ids=list(PAIRS))
def test_of_two_runs_at_once_one_waits_and_nothing_is_double(name: str) -> None:
    before, first, second, counts = PAIRS[name]
    for _ in range(ROUNDS):
        with new_world() as world, ThreadPoolExecutor(2) as threads:
            world.terms = TERMS
            for earlier in before:
                earlier(world)
            barrier = Barrier(2)
            both = [threads.submit(until_done, world, run, barrier) for run in (first, second)]
            for done in both:
                done.result()
            machines = world.machines()
            assert len(machines) in counts
            resources = world.resources()
            for kind in ("router", "vxnet", "eip", "loadbalancer", "keypair"):
                assert resources.get(kind, 0) == bool(machines), (kind, resources)
            assert resources.get("backend", 0) == 3 * bool(machines)
            assert world.state()["nodes are machines"]
            assert world.tokens() == []
            assert world.run_claims.kept is None


def test_a_run_that_lives_is_named_to_the_other_one() -> None:
    with new_world() as world:
        world.terms = TERMS
        world.provision()
        with only_run(world.open()):
            with unless_other_run(world.open()) as other:
                assert other.startswith("cluster demo is being changed by a run (process ")
            with pytest.raises(OtherRun, match=r"UTC\); wait for its end, or end it there"):
                world.scale(3)
            assert len(world.machines()) == 3
        with unless_other_run(world.open()) as other:
            assert other == ""


def test_a_renewal_that_is_under_way_does_not_take_a_released_lease_again() -> None:
    with new_world() as world:
        world.terms = replace(TERMS, renew=0.01)
        world.provision()
        is_renewing, may_go_on = Event(), Event()

        def wait() -> None:
            is_renewing.set()
            may_go_on.wait(30)

        run = ExitStack()
        run.enter_context(only_run(world.open()))
        world.before_read_time = wait
        assert is_renewing.wait(30)
        world.before_read_time = lambda: None
        ending = Thread(target=run.close)
        ending.start()
        ending.join(0.3)  # it ends now only if it does not wait for the renewal
        may_go_on.set()
        ending.join()
        for _ in range(20):
            with unless_other_run(world.open()) as other:
                assert other == ""


def test_operators_with_different_servers_are_separated_by_the_lease() -> None:
    with new_world() as world:
        world.terms = TERMS
        world.provision()
        here, there = world.open(), world.open()
        there.claims = type(world.run_claims)()
        with only_run(here):
            with pytest.raises(OtherRun, match=rf"kube-system/{LEASE} for another \d+ s"):
                only_run(there).__enter__()
            assert there.claims.find() is None
        with only_run(there):
            pass


def test_a_run_that_was_killed_here_is_taken_over_at_once() -> None:
    with new_world() as world:
        world.terms = replace(TERMS, valid=3600.0)
        killed = replace(this_run(), token="killed", started="1")
        world.run_claims.create(killed)
        world.provision()
        lease = world.objects["Lease", "kube-system", LEASE]
        assert lease["spec"]["leaseDurationSeconds"] == VALID.total_seconds()


def test_a_run_that_was_killed_elsewhere_is_taken_over_when_its_claim_is_over() -> None:
    with new_world() as world:
        world.terms = Terms(valid=0.5, renew=0.05, sure=0.4)
        world.run_claims.create(Holder("killed", machine="host-b"))
        world.provision()
        assert len(world.machines()) == 3


def test_a_call_of_a_run_that_was_killed_elsewhere_may_still_act() -> None:
    with new_world() as world:
        world.terms = Terms(valid=0.5, renew=0.05, sure=0.4)
        world.run_claims.create(Holder("killed", machine="host-b"))
        killed = world.run_claims.find()
        assert killed
        world.run_claims.renew(replace(killed, creates=("create_vpc k8s.demo.router",)))
        late = ("k8s.demo.router", "192.168.0.0/16", "")
        world.clock.after(75, lambda: world.cloud.create_vpc(*late))
        world.provision()
        world.let_late_calls_act()
        assert world.resources()["router"] == 1


def test_what_a_run_creates_is_in_its_claim_until_its_reply() -> None:
    with new_world() as world:
        cluster = world.open(Strike(1, Way.REPLY_LOST))
        with only_run(cluster):
            with pytest.raises(UnknownOutcome):
                cluster.cloud.create_security_group("k8s.demo.firewall")
            assert creates_of(world) == ("create_security_group k8s.demo.firewall",)
            cluster.cloud.create_keypair("k8s.demo.key", make_ssh_keypair("demo").public_key)
            assert creates_of(world)[1:] == ("create_keypair k8s.demo.key",)
            assert cluster.claim
            cluster.claim.renew()
            assert creates_of(world) == ("create_security_group k8s.demo.firewall",)


def creates_of(world: World) -> tuple[str, ...]:
    assert world.run_claims.kept
    return world.run_claims.kept.creates


def test_a_run_that_lost_its_claim_makes_no_further_change() -> None:
    with new_world() as world:
        world.terms = TERMS
        cluster = world.open()
        with only_run(cluster):
            assert cluster.claim
            cluster.claim.lose("another run has taken it over")
            with pytest.raises(ClaimLost, match="changes nothing more"):
                cluster.cloud.create_keypair("k8s.demo.key", "ssh-ed25519 AAAA")
        assert world.resources() == {}

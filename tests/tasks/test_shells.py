"""How steps log in to machines: one login to the master, and one to each machine through it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from threading import Event
from typing import cast

import pytest

from clients.ssh import SshMachine, SshTarget
from domain.cloud.records import Instance
from domain.kernel.errors import WaitTimedOut
from tasks.sharing import SharedLogin
from tasks.shells import open_shell
from tests.tasks.ssh_machines import Machines


def test_all_steps_of_a_run_share_one_login_to_the_master(
    make_machines: Callable[[int], Machines],
) -> None:
    machines = make_machines(8)
    cluster = machines.open()

    def greet(machine: Instance) -> str:
        with open_shell(cluster, machine) as shell:
            return shell.run(["echo", machine.id], deadline=30).stdout

    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert list(pool.map(greet, machines.nodes)) == [
                f"{one.id}\n" for one in machines.nodes
            ]
    assert len(machines.server(machines.master).connections) == 1
    cluster.close()


def test_a_login_to_the_master_that_was_lost_is_made_again(
    make_machines: Callable[[int], Machines],
) -> None:
    machines = make_machines(1)
    cluster, [node] = machines.open(), machines.nodes
    with open_shell(cluster, node) as shell:
        shell.run(["true"], deadline=30)
    machines.hang_up()
    with open_shell(cluster, node) as shell:
        shell.run(["true"], deadline=30)
    assert len(machines.server(machines.master).connections) == 2
    cluster.close()


class Noticed(SshTarget):
    """A target of which it is noticed that it was compared."""

    compared = Event()

    def __ne__(self, other: object) -> bool:
        self.compared.set()
        return False


def test_those_who_wait_for_a_login_fail_with_it_and_the_next_one_tries_again() -> None:
    """A hundred steps would else wait for a lost master one after the other, ten minutes each."""
    known = ("192.0.2.1", 22, "root", "", ())
    begun, may_end = Event(), Event()

    def fail() -> SshMachine:
        begun.set()
        assert may_end.wait(60)
        raise WaitTimedOut("SSH on machine i-1: not seen")

    def never() -> SshMachine:
        raise AssertionError("a second login was begun beside the first")

    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        shared = SharedLogin(stack)
        first = pool.submit(shared.get, SshTarget(*known), fail)
        assert begun.wait(60)
        second = pool.submit(shared.get, Noticed(*known), never)
        assert Noticed.compared.wait(60)
        may_end.set()
        for one in (first, second):
            with pytest.raises(WaitTimedOut, match="i-1"):
                one.result(60)
        made = cast(SshMachine, nullcontext())
        assert shared.get(SshTarget(*known), lambda: made) is None

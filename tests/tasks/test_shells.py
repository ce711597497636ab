"""How steps log in to machines: one login to the master, and one to each machine through it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from domain.cloud.records import Instance
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

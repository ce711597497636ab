"""Many machines through one jump host, over a real sshd with its defaults."""

from concurrent.futures import ThreadPoolExecutor

from clients.ssh import SshMachine, SshTarget
from domain.kernel.waiting import wait_for
from tests.machines.machine import Machine

MACHINES = 16


def test_sixteen_machines_are_reached_through_one_at_the_same_time(shared: Machine) -> None:
    """Here the machines behind the jump host are the jump host itself, by its own address."""
    key = shared.login.private_key
    target = SshTarget(shared.guest.address, 22, "root", key, shared.host_keys)

    def work(number: int) -> str:
        # As the steps do: sshd drops some of many connections that have not logged in yet.
        with wait_for(lambda: SshMachine.connect(target, jump=jump), what=f"{number}") as inner:
            inner.write_file(f"/srv/jump/{number}", f"{number}\n".encode() * 5000, 0o600)
            lines: list[str] = []
            command = ["bash", "-c", f"cat /srv/jump/{number}; echo end"]
            done = inner.run(command, deadline=60, on_line=lines.append)
            assert lines[-1] == "end"
            return done.stdout.split()[0]

    with shared.connect() as jump, ThreadPoolExecutor(MACHINES) as pool:
        assert list(pool.map(work, range(MACHINES))) == [str(n) for n in range(MACHINES)]
    assert shared.run("ls /srv/jump | wc -l; rm -r /srv/jump").strip() == str(MACHINES)

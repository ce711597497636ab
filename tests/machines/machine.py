"""A guest as the product knows a machine: reached by its client, installed by its functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clients.ssh import SshMachine, SshTarget
from domain.kernel.waiting import wait_for
from domain.node import install
from domain.node.login import make_own_host_key, use_own_host_key
from domain.secrets.pki import BootstrapToken, SshKeyPair, make_ssh_keypair
from domain.secrets.userdata import build_userdata
from tasks.installers import installer_files
from tests.machines.guest import Guest, new_guest
from tests.machines.mirror import GOOD, Mirrors, serve

TOKEN = BootstrapToken("abcdef.0123456789abcdef")
NODE_SCRIPT, MASTER_SCRIPT = "k8s_node_installer.sh", "k8s_master_installer.sh"


@dataclass
class Machine:
    guest: Guest
    login: SshKeyPair
    url: str
    signer: str
    host_keys: tuple[str, ...]
    first_keys: tuple[str, ...]
    progress: list[str] = field(default_factory=list)

    def connect(self, user: str = "root") -> SshMachine:
        target = SshTarget(self.guest.address, 22, user, self.login.private_key, self.host_keys)
        # As the steps do: sshd drops some of many connections that have not logged in yet.
        return wait_for(lambda: SshMachine.connect(target), what=f"SSH of {target.where}")

    def settings(self, *mirrors: str, **changes: str) -> dict[str, str]:
        return {
            "CLUSTER": "demo",
            "NODE_NAME": "k8s-node-one",
            "NODE_IP": self.guest.address,
            "API_ENDPOINT": "k8s-api.demo.internal:6443",
            "API_ADDRESS": self.guest.address,
            "K8S_VERSION": "1.36.4",
            "PACKAGE_MIRROR": " ".join(f"{self.url}/{name}" for name in mirrors or (GOOD,)),
            "KUBERNETES_SIGNER": self.signer,
            "DOCKER_SIGNER": self.signer,
            **changes,
        }

    def install(self, settings: dict[str, str], *words: str, script: str = NODE_SCRIPT) -> bool:
        """Upload and run an installer as the runbooks do. Returns: whether it changed anything."""
        with self.connect() as shell:
            install.upload_installers(shell, installer_files())
            return install.run_installer(shell, script, words, settings, self.progress.append)

    def run(self, command: str) -> str:
        """Run a command, which must succeed, and return its output."""
        with self.connect() as shell:
            done = shell.run(["bash", "-c", command], deadline=60)
        assert done.exit_code == 0, f"{command}: {done.stdout} {done.stderr}"
        return done.stdout


@contextmanager
def new_machine(mirrors: Mirrors, folder: Path, release: str = "12") -> Iterator[Machine]:
    """A booted machine whose own host key is pinned, as after its first login."""
    first, login = make_ssh_keypair(), make_ssh_keypair()
    with new_guest(release, folder, build_userdata(first)) as guest:
        for home in ("root", "home/admin"):
            known = guest.root / home / ".ssh/authorized_keys"
            known.parent.mkdir(exist_ok=True)
            known.write_text(login.public_key + "\n")
        guest.boot()
        with serve(mirrors, guest.gateway) as url:
            keys = (first.public_key,)
            machine = Machine(guest, login, url, mirrors.signer.fingerprint, keys, keys)
            with machine.connect() as shell:
                own = make_own_host_key(shell)
                machine.host_keys = (own, first.public_key)
                use_own_host_key(shell)
            machine.host_keys = (own,)
            yield machine

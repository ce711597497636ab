"""How an installed machine becomes a node: with a join token."""

from domain.node.install import check
from domain.node.shell import Shell
from domain.secrets.pki import BootstrapToken

RESTART_DEADLINE = 120.0
"""Seconds for the restart of a service."""


def join_settings(token: BootstrapToken, ca_hash: str) -> dict[str, str]:
    return {"JOIN_TOKEN": token.value, "CA_HASH": ca_hash}


def register_again(shell: Shell) -> None:
    """Restart the kubelet of a machine whose Node was deleted: it registers only when it starts.

    Raises:
        CommandFailed: it does not start.
    """
    done = shell.run(["systemctl", "restart", "kubelet"], deadline=RESTART_DEADLINE)
    check(done.exit_code, "systemctl restart kubelet", done.stderr)

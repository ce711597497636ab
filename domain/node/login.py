"""The first login to a machine: it generates its own host key, which is pinned from then on."""

from domain.node.install import check
from domain.node.shell import Shell
from domain.secrets.hostkeys import MAKE_OWN_HOST_KEY, USE_OWN_HOST_KEY, parse_host_key


def make_own_host_key(shell: Shell) -> str:
    """Generate a host key on the machine, beside the one in use. Returns: the public half."""
    done = shell.run(["bash", "-c", MAKE_OWN_HOST_KEY], deadline=60)
    check(done.exit_code, "generating the machine's host key", done.stderr)
    # Above it may be what the login shell of an image prints.
    return parse_host_key(done.stdout.rstrip().rpartition("\n")[2])


def use_own_host_key(shell: Shell) -> None:
    """Make the machine present its own key from the next connection on."""
    done = shell.run(["bash", "-c", USE_OWN_HOST_KEY], deadline=60)
    check(done.exit_code, "changing to the machine's own host key", done.stderr)

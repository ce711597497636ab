"""The first login to a machine: it generates its own host key, which is pinned from then on."""

import base64

from domain.cloud.records import KeyPair
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


def admit(shell: Shell, user: str, keypair: KeyPair) -> None:
    """Let the owner of a key pair log in as the image's user, beside the cluster's own key.

    Over SSH: a key pair that is attached to a machine may take effect at its next boot only.
    """
    line = public_key_line(keypair)
    done = shell.run(["bash", "-c", ADMIT, "admit", user, line], deadline=60)
    check(done.exit_code, f"letting {keypair.id} in", done.stderr)


def public_key_line(keypair: KeyPair) -> str:
    """The key as OpenSSH writes it; its first field names the algorithm, which the cloud omits."""
    blob = base64.b64decode(keypair.public_key)
    algorithm = blob[4 : 4 + int.from_bytes(blob[:4])].decode()
    return f"{algorithm} {keypair.public_key} {keypair.id}"


ADMIT = r"""
set -eu
home="/home/$1"
[ "$1" != root ] || home=/root
keys="${SYSROOT:-}${home}/.ssh/authorized_keys"  # exists: the cluster's own key is in it
grep -qxF "$2" "${keys}" && exit 0
[ -z "$(tail -c 1 "${keys}")" ] || echo >>"${keys}"
echo "$2" >>"${keys}"
"""

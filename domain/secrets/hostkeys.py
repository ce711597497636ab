"""SSH host keys as text: what is pinned, and how a machine comes by a key of its own.

A machine's first host key travels in its userdata, which anyone may read who can read the cloud
console. It makes the first connection safe, and over that connection the machine makes the key
that is pinned from then on. Making and using are two scripts, so that the new key is saved on
our side before the machine answers with it.
"""

import base64
import binascii
import hashlib
import struct

from domain.kernel.errors import HostKeyMismatch

FOLDER = "/var/lib/k8s-qingcloud"
MARKER = f"{FOLDER}/host-key-installed"
FIRST_KEY = "/etc/k8s-qingcloud/first-host-key"

MAKE_OWN_HOST_KEY = f"""\
set -euo pipefail
umask 077
root="${{SYSROOT:-}}"
next="$root{FOLDER}/next-host-key"
if [[ ! -s "$next.pub" ]]; then
    mkdir -p "$root{FOLDER}"
    rm -f "$next" "$next.pub"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$next" >&2
fi
cat "$next.pub"
"""
"""Make the machine's own key beside the one in use, once, and print its public line."""

USE_OWN_HOST_KEY = f"""\
set -euo pipefail
umask 077
root="${{SYSROOT:-}}"
next="$root{FOLDER}/next-host-key"
key="$root/etc/ssh/ssh_host_ed25519_key"
touch "$root{MARKER}"
rm -f "$root{FIRST_KEY}" "$root{FIRST_KEY}.pub"
if [[ -s "$next" ]]; then
    cp "$next.pub" "$key.pub"
    chmod 644 "$key.pub"
    mv -f "$next" "$key"
fi
if [[ -s "$next.pub" ]]; then
    systemctl restart ssh >&2 || systemctl restart sshd >&2
    rm -f "$next.pub"
fi
"""
"""Answer with the machine's own key from the next connection on; the present one lives on.

The public half goes last: until SSH was restarted, running this again restarts it.
"""


def parse_host_key(line: str) -> str:
    """Read one line such as `ssh-ed25519 AAAA… comment`, and return it without the comment.

    Raises:
        HostKeyMismatch: the text is no public key; so there is nothing that could be pinned.
    """
    kind, _, rest = line.strip().partition(" ")
    encoded = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error):
        raise HostKeyMismatch(f"no SSH public key, but {line.strip()[:40]!r}") from None
    if not kind or "\n" in line.strip() or blob[4 : 4 + length] != kind.encode():
        raise HostKeyMismatch(f"no SSH public key, but {line.strip()[:40]!r}")
    return f"{kind} {encoded}"


def fingerprint(host_key: str) -> str:
    """Say a key as `ssh-keygen -l` does: `SHA256:…`."""
    blob = base64.b64decode(host_key.split(" ")[1])
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return "SHA256:" + digest.rstrip("=")

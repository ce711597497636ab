"""SSH host keys as text: how keys are parsed, and how a machine generates its own.

A machine's first host key is in its userdata, which every user of the cloud console can read. It
makes the first connection safe, and over that connection the machine generates the key that is
pinned from then on. Generating and using are two scripts, so that the new key is saved on our side
before the machine presents it.
"""

import base64
import binascii
import hashlib
import struct

from domain.kernel.errors import HostKeyMismatch

FOLDER = "/var/lib/k8s-qingcloud"
MARKER = f"{FOLDER}/host-key-installed"
FIRST_KEY = "/etc/k8s-qingcloud/first-host-key"
LOCK = f"{FOLDER}/host-key.lock"
"""Held by each script that changes the key in use: rc.local runs beside the start of SSH."""

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
"""Generate the machine's own key beside the present one, once, and print its public line."""

USE_OWN_HOST_KEY = f"""\
set -euo pipefail
umask 077
root="${{SYSROOT:-}}"
next="$root{FOLDER}/next-host-key"
key="$root/etc/ssh/ssh_host_ed25519_key"
exec 8>"$root{LOCK}"
flock 8
touch "$root{MARKER}"
rm -f "$root{FIRST_KEY}" "$root{FIRST_KEY}.pub"
if [[ -s "$next" ]]; then
    cp "$next.pub" "$key.pub"
    chmod 644 "$key.pub"
    mv -f "$next" "$key"
fi
if [[ -s "$next.pub" ]]; then
    # Without the lock: the start of SSH takes it.
    flock -u 8
    systemctl restart ssh >&2 8>&- || systemctl restart sshd >&2 8>&-
    rm -f "$next.pub"
fi
"""
"""Use the machine's own key from the next connection on; the present connection stays open.

The public half is deleted last: until SSH was restarted, running this again restarts it.
"""


def parse_host_key(line: str) -> str:
    """Read one line such as `ssh-ed25519 AAAA… comment`, and return it without the comment.

    Raises:
        HostKeyMismatch: the text is not a public key, so there is no key to pin.
    """
    kind, _, rest = line.strip().partition(" ")
    encoded = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error):
        raise HostKeyMismatch(f"not an SSH public key: {line.strip()[:40]!r}") from None
    if not kind or "\n" in line.strip() or blob[4 : 4 + length] != kind.encode():
        raise HostKeyMismatch(f"not an SSH public key: {line.strip()[:40]!r}")
    return f"{kind} {encoded}"


def fingerprint(host_key: str) -> str:
    """Format a key's fingerprint as `ssh-keygen -l` does: `SHA256:…`."""
    blob = base64.b64decode(host_key.split(" ")[1])
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return "SHA256:" + digest.rstrip("=")

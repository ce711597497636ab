"""The userdata of a new machine: a throw-away SSH host key, and the script that installs it.

Every user of the cloud console can read userdata, so nothing else in it is secret. QingCloud
unpacks the archive in `/` and runs `/etc/rc.local` at every boot, late and in parallel with other
units. Therefore the start of SSH runs the script as well, before SSH accepts connections.
"""

import io
import tarfile

from domain.kernel.errors import InvalidSpec
from domain.secrets.hostkeys import FIRST_KEY, FOLDER, LOCK, MARKER
from domain.secrets.pki import SshKeyPair

LARGEST_ARCHIVE = 2 * 1024 * 1024
"""Bytes that UploadUserDataAttachment accepts, by its documentation."""

BEFORE_SSH = "before-ssh"

RC_LOCAL = f"""\
#!/bin/bash
# Installs the first SSH host key, once; run at every boot, and before each start of SSH.
set -euo pipefail
umask 077
root="${{SYSROOT:-}}"
first="$root{FIRST_KEY}"
key="$root/etc/ssh/ssh_host_ed25519_key"
marker="$root{MARKER}"

# The marker is looked at and set under the lock: another one of these may have passed it.
mkdir -p "$root/etc/ssh" "$root{FOLDER}"
exec 8>"$root{LOCK}"
flock 8

if [[ -e "$marker" ]]; then
    # The machine has had its first key, and by now perhaps one of its own.
    rm -f "$first" "$first.pub"
    exit 0
fi

new="$(mktemp "$key.XXXXXX")"
trap 'rm -f "$new"' EXIT # systemd may end this script when SSH is started again
cp "$first" "$new"
cp "$first.pub" "$key.pub"
chmod 644 "$key.pub"
mv -f "$new" "$key"
if command -v restorecon >/dev/null; then
    restorecon "$key" "$key.pub" || true
fi
touch "$marker"
flock -u 8

if [[ "${{1:-}}" != {BEFORE_SSH} ]]; then
    systemctl restart ssh 8>&- || systemctl restart sshd 8>&-
fi
"""

SSH_DROP_IN = f"""\
[Service]
ExecStartPre=-/etc/rc.local {BEFORE_SSH}
"""


def build_userdata(host_key: SshKeyPair) -> bytes:
    """Build the tar for UploadUserDataAttachment; the same key gives the same bytes.

    The machine presents `host_key` until it has generated its own (`domain/secrets/hostkeys.py`).
    """
    first_key = FIRST_KEY.lstrip("/")
    files = [
        ("etc/rc.local", RC_LOCAL, 0o755),
        (first_key, host_key.private_key, 0o600),
        (first_key + ".pub", host_key.public_key + "\n", 0o644),
        # The unit is ssh on Debian and Ubuntu, sshd in the Red Hat family.
        ("etc/systemd/system/ssh.service.d/50-k8s-qingcloud.conf", SSH_DROP_IN, 0o644),
        ("etc/systemd/system/sshd.service.d/50-k8s-qingcloud.conf", SSH_DROP_IN, 0o644),
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text, mode in files:
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            entry.uname = entry.gname = "root"
            archive.addfile(entry, io.BytesIO(content))
    packed = buffer.getvalue()
    if len(packed) > LARGEST_ARCHIVE:
        raise InvalidSpec(f"the userdata has {len(packed)} bytes; QingCloud accepts 2 MiB at most")
    return packed

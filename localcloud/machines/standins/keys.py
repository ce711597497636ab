"""Stand-in for ssh-keygen, so that machines do not depend on the host's OpenSSH."""

from pathlib import Path

import asyncssh

from localcloud.machines.standins.call import Call, Failed, Handler, take_apart


async def _ssh_keygen(call: Call) -> int:
    taken = take_apart(
        call, flags=("-q", "-l", "-y", "-A"), options=("-t", "-N", "-C", "-f", "-E", "-b")
    )
    if taken.words:
        raise call.unknown(" ".join(taken.words))
    if "-A" in taken:
        call.machine.make_host_key()
        return 0
    file = call.path(taken.value("-f") or "/root/.ssh/id_ed25519")
    if "-l" in taken or "-y" in taken:
        return await _show(call, taken.value("-f"), fingerprint="-l" in taken)
    kind = taken.value("-t", default="ed25519")
    if kind != "ed25519":
        raise call.unknown(f"-t {kind}")
    if taken.value("-N"):
        raise call.unknown("-N with a passphrase")
    if file.exists():
        raise Failed(f"{taken.value('-f')} already exists.\nOverwrite (y/n)? ")
    if not file.parent.is_dir():
        raise Failed(f'Saving key "{taken.value("-f")}" failed: No such file or directory')
    write_key(file, asyncssh.generate_private_key("ssh-ed25519", taken.value("-C")))
    if "-q" not in taken:
        await call.out(f"Your identification has been saved in {taken.value('-f')}")
    return 0


async def _show(call: Call, name: str, *, fingerprint: bool) -> int:
    file = call.path(name)
    try:
        if file.suffix == ".pub":
            public = asyncssh.read_public_key(file)
        else:
            public = asyncssh.read_private_key(file).convert_to_public()
    except (OSError, asyncssh.KeyImportError) as error:
        raise Failed(f"{name}: {error}", 255) from error
    if fingerprint:
        await call.out(
            f"256 {public.get_fingerprint()} {public.get_comment() or 'no comment'} (ED25519)"
        )
    else:
        await call.out(public.export_public_key().decode())
    return 0


def write_key(path: Path, key: asyncssh.SSHKey) -> None:
    """Write both halves beside each other, the private one closed to others."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(key.export_private_key())
    path.with_name(f"{path.name}.pub").write_bytes(key.export_public_key())


HANDLERS: dict[str, Handler] = {"ssh-keygen": _ssh_keygen}

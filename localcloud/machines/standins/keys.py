"""Stand-ins for ssh-keygen and gpg, so that machines do not depend on the host's tools."""

from pathlib import Path

import asyncssh

from localcloud.machines import repositories
from localcloud.machines.host_keys import ensure_host_key, write_key
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args


async def _ssh_keygen(call: Call) -> int:
    taken = parse_args(
        call, flags=("-q", "-l", "-y", "-A"), options=("-t", "-N", "-C", "-f", "-E", "-b")
    )
    if taken.words:
        raise call.unknown(" ".join(taken.words))
    if "-A" in taken:
        ensure_host_key(call.context.disk, comment=call.context.spec.hostname)
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


async def _gpg(call: Call) -> int:
    """Public keys: show those of a file, import into a key ring in a folder, export one of it."""
    taken = parse_args(
        call,
        flags=(
            "--batch", "--quiet", "--no-autostart", "--with-colons", "--armor", "--show-keys",
            "--import", "--export",
        ),
        options=("--homedir",),
    )  # fmt: skip
    ring = call.path(taken.value("--homedir", default="/root/.gnupg")) / "pubring.kbx"
    verbs = [one for one in ("--show-keys", "--import", "--export") if one in taken]
    match verbs, taken.words:
        case ["--show-keys"], [name]:
            for key in _keys_of(call.path(name)):
                await call.out(
                    f"pub:-:4096:1:{key[-16:]}:0:::-:::scSC::::::23::0:\nfpr:::::::::{key}:"
                )
        case ["--import"], [name]:
            fresh = _keys_of(call.path(name))
            known = repositories.keys_in(ring.read_text(encoding="utf-8")) if ring.exists() else []
            ring.write_text(
                "".join(map(repositories.key_block, dict.fromkeys(known + fresh))), encoding="utf-8"
            )
        case ["--export"], [wanted]:
            known = repositories.keys_in(ring.read_text(encoding="utf-8")) if ring.exists() else []
            if wanted in known:
                await call.out(repositories.key_block(wanted))
            else:
                await call.err("gpg: WARNING: nothing exported")
        case _:
            raise call.unknown(" ".join(call.arguments))
    return 0


def _keys_of(file: Path) -> list[str]:
    keys = repositories.keys_in(file.read_text(encoding="utf-8")) if file.is_file() else []
    if not keys:
        raise Failed("gpg: no valid OpenPGP data found.", 2)
    return keys


HANDLERS: dict[str, Handler] = {"ssh-keygen": _ssh_keygen, "gpg": _gpg}

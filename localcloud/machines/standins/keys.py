"""Stand-ins for ssh-keygen and gpg, so that machines do not depend on the host's tools."""

import re

import asyncssh

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
    taken = parse_args(call, flags=("--batch", "--with-colons", "--show-keys", "--quiet"))
    if "--show-keys" not in taken or len(taken.words) != 1:
        raise call.unknown(" ".join(call.arguments))
    text = call.path(taken.words[0]).read_text()
    match = re.search(r"stands for the key ([0-9A-F]{40})", text)
    if match is None:
        raise Failed("gpg: no valid OpenPGP data found.", 2)
    await call.out(
        f"pub:-:4096:1:{match[1][-16:]}:0:::-:::scSC::::::23::0:\nfpr:::::::::{match[1]}:"
    )
    return 0


HANDLERS: dict[str, Handler] = {"ssh-keygen": _ssh_keygen, "gpg": _gpg}

"""Connects a script's stand-in command with its handler in the daemon.

A stand-in is one bash script under many names. It calls over loopback TCP, because bash supports
that: about 3 ms, where a Python process would take five times as long. A secret in the script
identifies its machine.

The script sends the number of its fields, then the fields, each followed by a NUL. The daemon
answers with frames: `out SIZE` and `err SIZE` with as many bytes of text, `in 0` to request
standard input, which is sent as a size and the bytes, and `exit CODE` at the end. A script that
is killed closes its connection, which ends its handler, as the command would have ended.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.connections import Visits
from localcloud.machines.standins.call import Call, Failed, Subject
from localcloud.machines.standins.script import Script
from localcloud.machines.standins.table import HANDLERS, LOCAL_SCRIPTS, command_names

log = logging.getLogger(__name__)

_LONGEST_FIELD = 256 * 1024  # more than Linux allows for one argument
_FIXED_FIELDS = 6  # secret, name, folder, user, KUBECONFIG, proxy

_STUB = r"""#!@BASH@
# Stands for a command of this machine: the local cloud does what the command would do.
export LC_ALL=C # sizes count bytes
exec 3<>/dev/tcp/127.0.0.1/@PORT@ || exit 126
{
  printf '%d\n' $(($# + @FIXED@))
  printf '%s\0' @SECRET@ "${0##*/}" "$PWD" "${USER:-root}" "${KUBECONFIG:-}" \
    "${https_proxy:-${HTTPS_PROXY:-}}" "$@"
} >&3
while read -r kind size <&3; do
  case $kind in
    out) read -r -N "$size" text <&3 && printf '%s' "$text" ;;
    err) read -r -N "$size" text <&3 && printf '%s' "$text" >&2 ;;
    in)
      text=
      [[ -t 0 ]] || text=$(cat; printf x)
      text=${text%x}
      printf '%d\n%s' "${#text}" "$text" >&3
      ;;
    exit) exit "$size" ;;
  esac
done
echo "${0##*/}: the local cloud has stopped" >&2
exit 255
"""


@dataclass(eq=False)
class _Admitted:
    """A running machine and its calls under way."""

    machine: Subject
    calls: set[asyncio.Task[None]] = field(default_factory=set)

    async def end_calls(self) -> None:
        for call in self.calls:
            call.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)


class CommandServer:
    """One loopback listener for the stand-ins of all machines."""

    def __init__(self) -> None:
        self._admitted: dict[str, _Admitted] = {}  # by secret
        self._server: asyncio.Server | None = None
        self._visits = Visits(self._answer)

    async def open(self) -> None:
        """Listen on a free port; a second call does nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._visits.accept, "127.0.0.1", 0, limit=_LONGEST_FIELD
            )

    async def close(self) -> None:
        """Stop listening, and end running calls."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for admitted in list(self._admitted.values()):
            await self.dismiss(admitted.machine)
        await self._visits.close()

    def admit(self, machine: Subject) -> None:
        """Accept a machine's calls: write its stub with a new secret."""
        assert self._server is not None, "the command server is closed"
        secret = secrets.token_hex(16)
        self._admitted[secret] = _Admitted(machine)
        folder = machine.context.commands
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "BASH": str((machine.context.shared.tools / "bash").resolve()),
            "PORT": str(self._server.sockets[0].getsockname()[1]),
            "SECRET": secret,
            "FIXED": str(_FIXED_FIELDS),
        }
        _write_script(folder / ".stub", _fill(_STUB, values))
        for name, text in LOCAL_SCRIPTS.items():
            _write_script(folder / name, _fill(text, values))
        self.refresh(machine)

    def refresh(self, machine: Subject) -> None:
        """Make exactly the commands of the installed packages exist."""
        context = machine.context
        _link(context.commands, command_names(context.system.packager, context.state.packages))

    async def dismiss(self, machine: Subject) -> None:
        """Reject a machine's calls from now on, and end running ones."""
        for secret, admitted in list(self._admitted.items()):
            if admitted.machine is machine:
                del self._admitted[secret]
                await admitted.end_calls()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._serve(reader, writer)
        except asyncio.LimitOverrunError:
            log.warning("a stand-in was called with an argument of over %d bytes", _LONGEST_FIELD)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = int(await reader.readline())
        fields = [(await reader.readuntil(b"\0"))[:-1].decode() for _ in range(count)]
        secret, name, folder, user, kubeconfig, proxy, *arguments = fields
        admitted = self._admitted.get(secret)
        task = asyncio.current_task()
        if admitted is None or task is None:
            return
        admitted.calls.add(task)
        task.add_done_callback(admitted.calls.discard)
        script = Script(reader, writer)
        call = Call(
            machine=admitted.machine,
            name=name,
            arguments=arguments,
            folder=Path(folder),
            user=user,
            environment={"KUBECONFIG": kubeconfig, "HTTPS_PROXY": proxy},
            write=script.write,
            read_stdin=script.read_stdin,
        )
        try:
            code = await script.run_while_connected(_run(call))
        finally:
            call.context.save()
        await script.end(code)


async def _run(call: Call) -> int:
    handler = HANDLERS.get(call.name)
    if handler is None:
        await call.err(f"{call.name}: command not found")
        return 127
    try:
        return await handler(call)
    except Failed as failure:
        await call.err(str(failure))
        return failure.code
    except ConnectionError:
        raise  # the script has ended
    except Exception:
        log.exception("%s %s on %s", call.name, call.arguments, call.context.spec.instance_id)
        await call.err(f"{call.name}: the local cloud's stand-in failed; its log says why")
        return 70


def _link(folder: Path, names: Iterable[str]) -> None:
    """Make exactly these names links to the stub, beside the scripts without a daemon."""
    wanted = set(names)
    for link in folder.iterdir():
        if link.is_symlink() and link.name not in wanted:
            link.unlink()
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(".stub")


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _write_script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o700)

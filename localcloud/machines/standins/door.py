"""The way from a script's stand-in command to its handler in the daemon.

A stand-in is one bash script under many names. It asks over loopback TCP, because bash can do that
by itself: about 3 ms, where a Python process would take five times as long. The machine's secret
in the script says who asks.

The script sends the number of its fields, then the fields, each with a NUL behind it. The daemon
answers with frames: `out SIZE` and `err SIZE` with as many bytes of text, `in 0` to ask for
standard input, which comes back as a size and the bytes, and `exit CODE` at the end.
"""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.table import HANDLERS, LOCAL_SCRIPTS

if TYPE_CHECKING:
    from localcloud.machines.machine import Machine

log = logging.getLogger(__name__)

_LARGEST_INPUT = 16 * 1024 * 1024
_FIXED_FIELDS = 5  # secret, name, folder, user, KUBECONFIG

_STUB = r"""#!@BASH@
# Stands for a command of this machine: asks the local cloud what the command would do.
export LC_ALL=C # sizes count bytes
exec 3<>/dev/tcp/127.0.0.1/@PORT@ || exit 126
{
  printf '%d\n' $(($# + @FIXED@))
  printf '%s\0' @SECRET@ "${0##*/}" "$PWD" "${USER:-root}" "${KUBECONFIG:-}" "$@"
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
echo "${0##*/}: the local cloud went away" >&2
exit 255
"""


class Door:
    """One loopback listener for the stand-ins of all machines."""

    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen on a free port; a second call does nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop listening, and end the calls that run."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def admit(self, machine: "Machine", folder: Path, names: Iterable[str]) -> None:
        """Let a machine's scripts in, by a stub of its own with a new secret."""
        assert self._server is not None, "the door is closed"
        self.dismiss(machine)
        secret = secrets.token_hex(16)
        self._machines[secret] = machine
        folder.mkdir(parents=True, exist_ok=True)
        bash = (machine.world.tools / "bash").resolve()
        values = {
            "BASH": str(bash),
            "PORT": str(self._server.sockets[0].getsockname()[1]),
            "SECRET": secret,
            "FIXED": str(_FIXED_FIELDS),
        }
        _write_script(folder / ".stub", _fill(_STUB, values))
        for name, text in LOCAL_SCRIPTS.items():
            _write_script(folder / name, _fill(text, values))
        self.set_commands(folder, names)

    def set_commands(self, folder: Path, names: Iterable[str]) -> None:
        """Make exactly these commands exist, beside the few that need no daemon."""
        wanted = set(names)
        for link in folder.iterdir():
            if link.is_symlink() and link.name not in wanted:
                link.unlink()
        for name in wanted:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(".stub")

    def dismiss(self, machine: "Machine") -> None:
        """Let a machine's scripts in no more."""
        for secret in [s for s, known in self._machines.items() if known is machine]:
            del self._machines[secret]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the daemon ends; start_server would report it as a failure
        finally:
            self._calls.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = int(await reader.readline())
        fields = [(await reader.readuntil(b"\0"))[:-1].decode() for _ in range(count)]
        secret, name, folder, user, kubeconfig, *arguments = fields
        machine = self._machines.get(secret)
        if machine is None:
            return

        async def write(stream: str, text: str) -> None:
            data = text.encode()
            writer.write(b"%s %d\n" % (stream.encode(), len(data)) + data)
            await writer.drain()

        async def read_stdin() -> str:
            writer.write(b"in 0\n")
            size = int(await reader.readline())
            if size > _LARGEST_INPUT:
                raise Failed(f"{name}: the input is larger than {_LARGEST_INPUT} bytes")
            return (await reader.readexactly(size)).decode()

        environment = {"KUBECONFIG": kubeconfig}
        call = Call(machine, name, arguments, Path(folder), user, environment, write, read_stdin)
        code = await _run(call)
        machine.save()
        writer.write(b"exit %d\n" % code)
        await writer.drain()


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
    except (OSError, asyncio.IncompleteReadError):
        raise  # the script went away
    except Exception:
        log.exception("%s %s on %s", call.name, call.arguments, call.machine.birth.instance_id)
        await call.err(f"{call.name}: the local cloud's stand-in failed; its log says why")
        return 70


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _write_script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o700)

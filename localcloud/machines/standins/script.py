"""The calling script at the other end of a stand-in's connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from localcloud.machines.standins.call import Failed

_LARGEST_INPUT = 16 * 1024 * 1024

Result = TypeVar("Result")


class Script:
    """Writes to a script's two output streams, reads its input, and detects its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._input: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def write(self, stream: str, text: str) -> None:
        """Send text to `out` or `err`."""
        data = text.encode()
        self._writer.write(b"%s %d\n" % (stream.encode(), len(data)) + data)
        await self._writer.drain()

    async def read_stdin(self) -> str:
        """Read all of standard input.

        Raises:
            Failed: it is longer than any input of a stand-in.
        """
        self._writer.write(b"in 0\n")
        return await self._input

    async def run_while_connected(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run the work, and cancel it when the script ends.

        Raises:
            ConnectionError: the script has ended.
        """
        working, listening = asyncio.ensure_future(work), asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ConnectionAbortedError("the script has ended")
        finally:
            working.cancel()
            listening.cancel()
            await asyncio.gather(working, listening, return_exceptions=True)

    async def _listen(self) -> None:
        """Receive the requested input, and return when the script ends."""
        if size := await self._reader.readline():
            if int(size) > _LARGEST_INPUT:
                self._input.set_exception(Failed(f"the input is over {_LARGEST_INPUT} bytes"))
            else:
                self._input.set_result((await self._reader.readexactly(int(size))).decode())
        while await self._reader.read(_LARGEST_INPUT):
            pass  # no input was requested

    async def end(self, code: int) -> None:
        """End the script with this exit code."""
        self._writer.write(b"exit %d\n" % code)
        await self._writer.drain()

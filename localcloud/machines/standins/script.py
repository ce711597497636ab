"""The other end of a stand-in's connection: the script that runs on the machine."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from localcloud.machines.standins.call import Failed

_LARGEST_INPUT = 16 * 1024 * 1024

Result = TypeVar("Result")


class Script:
    """Writes to a script's two streams and reads its input; notices when it dies."""

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
            Failed: it is longer than anything that a stand-in reads.
        """
        self._writer.write(b"in 0\n")
        return await self._input

    async def live_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work, but no longer than the script lives.

        Raises:
            ConnectionError: the script has died.
        """
        working, listening = asyncio.ensure_future(work), asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise ConnectionAbortedError("the script has died")
        finally:
            working.cancel()
            listening.cancel()
            await asyncio.gather(working, listening, return_exceptions=True)

    async def _listen(self) -> None:
        """Take the input, for which the script was asked, and return when the script dies."""
        if size := await self._reader.readline():
            if int(size) > _LARGEST_INPUT:
                self._input.set_exception(Failed(f"the input is over {_LARGEST_INPUT} bytes"))
            else:
                self._input.set_result((await self._reader.readexactly(int(size))).decode())
        while await self._reader.read(_LARGEST_INPUT):
            pass  # nothing more was asked

    async def end(self, code: int) -> None:
        """Let the script end with this code."""
        self._writer.write(b"exit %d\n" % code)
        await self._writer.drain()

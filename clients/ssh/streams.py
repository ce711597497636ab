"""Following a running command: send its input, read both outputs, detect its end.

The exit status is awaited only after the outputs are read: a command that has filled the window
waits for us, so waiting for it would be a deadlock.
"""

import codecs
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import paramiko

from domain.kernel.errors import TemporaryError, WaitTimedOut
from domain.node.shell import Output

CHUNK = 64 * 1024
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 0.05  # seconds between two polls without output

# A progress bar ends its lines with a bare carriage return.
LINE_END = re.compile(r"\r\n|\n|\r")

OnLine = Callable[[str], None]


@dataclass(slots=True)
class Stream:
    """One output of a command: decodes chunks and passes whole lines on."""

    on_line: OnLine | None
    parts: list[str] = field(default_factory=list)
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Add bytes, which may end within a character or a line end."""
        text = self._decoder.decode(chunk, final)
        self.parts.append(text)
        if self.on_line is None:
            return
        pending = self._rest + text
        # A carriage return at the end may be the first half of "\r\n".
        held = "\r" if pending.endswith("\r") and not final else ""
        *lines, rest = LINE_END.split(pending.removesuffix(held))
        self._rest = rest + held
        if final and rest:
            lines.append(rest)
        for line in lines:
            self.on_line(line)

    @property
    def text(self) -> str:
        return "".join(self.parts)


def follow(
    channel: paramiko.Channel, stdin: bytes, ends: float, on_line: OnLine | None, what: str
) -> Output:
    """Follow a started command to its end, at most until `ends` on the monotonic clock.

    Raises:
        TemporaryError: it ended without an exit code.
        WaitTimedOut: the deadline has passed.
    """
    stdout, stderr = Stream(on_line), Stream(on_line)
    unsent = memoryview(stdin)
    pause = SHORTEST_PAUSE
    if not stdin:
        channel.shutdown_write()
    while True:
        # Checked before draining, so that no output before the end is lost.
        ended = channel.exit_status_ready()
        busy = _drain(channel, stdout, stderr)
        if unsent and not ended and channel.send_ready():
            unsent = _feed(channel, unsent)
            busy = True
        if ended and not busy and (channel.eof_received or channel.closed):
            break
        if time.monotonic() > ends:
            raise WaitTimedOut(f"{what} was still running at its deadline and was cut off")
        if busy:
            pause = SHORTEST_PAUSE
        else:
            _rest(channel, ended, pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    for stream in (stdout, stderr):
        stream.feed(b"", final=True)
    return _output(channel, stdout, stderr, what)


def _drain(channel: paramiko.Channel, stdout: Stream, stderr: Stream) -> bool:
    busy = False
    if channel.recv_ready():
        stdout.feed(channel.recv(CHUNK))
        busy = True
    if channel.recv_stderr_ready():
        stderr.feed(channel.recv_stderr(CHUNK))
        busy = True
    return busy


def _feed(channel: paramiko.Channel, unsent: memoryview) -> memoryview:
    """Send the next chunk of the input, and its end. Returns: the rest."""
    try:
        left = unsent[channel.send(bytes(unsent[:CHUNK])) :]
        if not left:
            channel.shutdown_write()
    except OSError:  # the command has ended without reading all of it, which is allowed
        return unsent[:0]
    return left


def _rest(channel: paramiko.Channel, ended: bool, pause: float) -> None:
    if ended:  # the status has arrived, the end of the output not yet
        time.sleep(pause)
    else:
        channel.status_event.wait(pause)


def _output(channel: paramiko.Channel, stdout: Stream, stderr: Stream, what: str) -> Output:
    exit_code = channel.recv_exit_status()
    if exit_code == -1:
        raise TemporaryError(
            f"{what} ended without an exit code: the connection broke, or a signal ended it"
        )
    return Output(stdout.text, stderr.text, exit_code)

"""The steps of a run while they run: a live area on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from domain.kernel.durations import format_seconds
from domain.reports.cluster import Timeline
from flows._cli.console import last_line, open_console, to_line
from flows._cli.language import Verbatim, in_language
from tasks.steps import Recorder

MOST_LIVE = 10  # lines of the live area; the rest is counted
MOST_WIDTH = 110
LEAST_WIDTH = 60  # below it a step has a line for its name and one for its outcome
NAME_WIDTH = 34
TOOK_WIDTH = 11  # of `1 h 59 min`
SILENCE = (
    30.0  # seconds without a line, after which a run without a terminal prints the running steps
)


@dataclass(slots=True)
class _Running:
    name: str
    began: float
    text: str = ""
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))

    @property
    def elapsed(self) -> str:
        seconds = int(time.monotonic() - self.began)
        return f"{seconds} s" if seconds < 10 else format_seconds(seconds)


class Steps:
    """Shows steps that run at the same time, and keeps their time line.

    A listener of `tasks.steps`: its methods may be called from any thread. Inside its `with`
    block a terminal shows what is running below the lines of what has finished; without a
    terminal each finished step is one plain line, and a long silence is broken by a line that
    names what is running.
    """

    def __init__(self, console: Console | None = None, *, silence: float = SILENCE) -> None:
        self._console = console or open_console()
        self._silence = silence
        self._recorder = Recorder()
        # Never held while printing: the live area holds a lock of its own when it calls us.
        self._lock = Lock()
        self._running: dict[str, _Running] = {}
        self._spoke = time.monotonic()
        self._over = Event()
        self._live: Live | None = None
        self._watcher: Thread | None = None

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            # Standard output is not redirected: it may carry JSON.
            self._live = Live(
                console=self._console,
                get_renderable=self._render_running,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start()
        else:
            self._watcher = Thread(target=self._break_silence, name="steps", daemon=True)
            self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()
        if self._watcher is not None:
            self._watcher.join()
        for name in list(self._running):
            seconds = time.monotonic() - self._running[name].began
            self.failed(name, "did not finish", seconds)

    def started(self, name: str) -> None:
        with self._lock:
            self._running[name] = _Running(name, time.monotonic())
        self._recorder.started(name)

    def progress(self, name: str, text: str) -> None:
        """Show the last line of a running step's output; an unknown step is ignored."""
        with self._lock:
            if name in self._running:
                self._running[name].text = last_line(text)

    def finished(self, name: str, outcome: str, seconds: float) -> None:
        self._end(name)
        self._recorder.finished(name, outcome, seconds)
        self._print_line(Text("✓", "green"), name, Text(to_line(outcome)), seconds)

    def failed(self, name: str, message: str, seconds: float) -> None:
        self._end(name)
        self._recorder.failed(name, message, seconds)
        self._print_line(Text("✗", "bold red"), name, Text(to_line(message), "red"), seconds)

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the running steps; takes no lock, so that a signal handler may read them."""
        return tuple(self._running)

    def timeline(self, title: str) -> Timeline:
        """The steps that have ended so far, in the order of their start."""
        return self._recorder.timeline(title)

    def _end(self, name: str) -> None:
        with self._lock:
            self._running.pop(name, None)
            self._spoke = time.monotonic()

    def _print_line(self, sign: Text, name: str, outcome: Text, seconds: float) -> None:
        took, name, outcome = format_seconds(seconds), in_language(name), in_language(outcome)
        if not self._console.is_interactive:
            line = f"{sign} {took:>{TOOK_WIDTH}}  {_padded(name, NAME_WIDTH)}  {outcome.plain}"
            self._console.print(Verbatim(line.rstrip()), soft_wrap=True)
            return
        width = min(self._console.width, MOST_WIDTH)
        if width < LEAST_WIDTH:
            self._console.print(Text.assemble(sign, " ", name, (f" {took}", "dim")))
            self._console.print(Padding(outcome, (0, 0, 0, 2)))
            return
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=1)
        table.add_column(width=_name_width(width), overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        table.add_column(justify="right", no_wrap=True)
        table.add_row(sign, Text(name), outcome, Text(took, "dim"))
        self._console.print(table, width=width)

    def _render_running(self) -> RenderableType:
        """The live area; called by its own thread several times a second."""
        with self._lock:
            running = list(self._running.values())
        shown = running[: max(min(MOST_LIVE, self._console.height - 3), 1)]
        width = min(self._console.width, MOST_WIDTH)
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = width
        table.add_column(width=1)
        table.add_column(width=_name_width(width), no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        for step in shown:
            words = Text(step.text, "dim")  # another program's output
            table.add_row(
                step.spinner, Text(in_language(step.name)), words, Text(step.elapsed, "cyan")
            )
        hidden = len(running) - len(shown)
        if hidden:
            return Group(table, in_language(Text(f"  … and {hidden} more", "dim")))
        return table if shown else Group()

    def _break_silence(self) -> None:
        while not self._over.wait(max(self._spoke + self._silence - time.monotonic(), 0.001)):
            with self._lock:
                silent = time.monotonic() - self._spoke >= self._silence
                running = list(self._running.values())
                if silent:
                    self._spoke = time.monotonic()
            if silent and running:
                self._console.print(Text(_still_running(running)), soft_wrap=True)


def _name_width(width: int) -> int:
    return min(NAME_WIDTH, width // 2)


def _padded(words: str, width: int) -> str:
    """The words with spaces behind them; a Chinese character is two columns wide."""
    return words + " " * (width - cell_len(words))


def _still_running(running: Iterable[_Running]) -> str:
    steps = list(running)
    words = [f"{s.name} ({s.elapsed}{f': {s.text}' if s.text else ''})" for s in steps[:MOST_LIVE]]
    if len(steps) > MOST_LIVE:
        words.append(f"{len(steps) - MOST_LIVE} more")
    return f"… still running: {', '.join(words)}"

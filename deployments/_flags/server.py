"""The commands of `server`: each has a name and no flags of its own."""

from dataclasses import dataclass
from typing import Literal

from cyclopts import App


@dataclass(frozen=True)
class Flags:
    """Which of the commands was typed."""

    command: Literal["up", "down", "status", "env"]


app = App(
    name="python -m deployments.server",
    help="The Prefect server on this machine: find, start or stop it. It listens on loopback.",
    version_flags=(),
    suppress_keyboard_interrupt=False,  # it would end without a message
)


@app.command
def up() -> Flags:
    """Start the server in the background if none of yours answers; print the address of its UI."""
    return Flags("up")


@app.command
def down() -> Flags:
    """Stop the server that `up` has started."""
    return Flags("down")


@app.command
def status() -> Flags:
    """Print the address of the server's UI; exit code 1 if no server answers."""
    return Flags("status")


@app.command
def env() -> Flags:
    """Print the variables with which Prefect's own commands use the server: eval "$(… env)"."""
    return Flags("env")

"""The command line of the local cloud: python -m localcloud up | down | status | …"""

import json
import os
import shlex
import sys
from typing import Annotated, Any, Literal

import pydantic
from cyclopts import App, CycloptsError, Parameter, ValidationError
from cyclopts.validators import Number

from localcloud import process
from localcloud.addresses import find_obstacle
from localcloud.home import find_home
from words import HELP, UnknownLanguage, choose, translate
from words.helping import Help

Port = Annotated[int, Parameter(name="PORT", validator=Number(gte=1, lte=65535))]
Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(
    name="python -m localcloud",
    help="A QingCloud on this machine: its API, its machines, and the Kubernetes they run.",
    version_flags=[],
)


def echo(text: str) -> None:
    sys.stdout.write(f"{translate(text)}\n")


def echo_error(sentence: str) -> None:
    sys.stderr.write(translate(f"Error: {sentence}") + "\n")


def echo_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


@app.command
def up(
    *,
    profile: Literal["instant", "fast", "realistic"] | None = None,
    seed: int | None = None,
    as_json: Json = False,
) -> None:
    """Start the local cloud, or find the running one.

    A cloud that was stopped or killed continues where it was.

    Args:
        profile: How long operations take; by default that of the last start, or `fast`.
        seed: Makes ids and everything else random repeatable.
        as_json: Print one JSON document.
    """
    started = process.ensure_running(find_home(), profile, seed)
    if started.after_crash:
        note = "The local cloud had ended without `down`; it continues where it was."
        sys.stderr.write(translate(note) + "\n")
    if as_json:
        status = process.read_status(find_home())
        keys = ("running", "endpoint", "profile")
        more = {"started": started.is_new, "machines_gone_on": started.machines}
        echo_json({key: status[key] for key in keys} | more)
    else:
        word = "runs now" if started.is_new else "was running already"
        echo(f"The local cloud {word}: {started.running.endpoint}")
        if started.machines:
            echo(f"Machines resumed: {started.machines}.")


@app.command
def down() -> None:
    """Stop the local cloud. Everything in it is kept for the next `up`; `reset` empties it."""
    ended = process.stop(find_home())
    echo("The local cloud has stopped." if ended else "No local cloud was running.")


@app.command
def status(*, as_json: Json = False) -> None:
    """Show whether the local cloud runs, its resources, and its number of calls."""
    found = process.read_status(find_home())
    if as_json:
        echo_json(found)
        return
    if not found["running"]:
        echo(str(process.NotRunning()))
        return
    echo(f"Runs at {found['endpoint']} with profile {found['profile']}.")
    kinds = found["resources"]
    echo("\n".join(f"{count:>6} {kind}" for kind, count in kinds.items()) or "Nothing exists.")
    echo(f"{sum(found['calls'].values()):>6} calls; see: python -m localcloud calls")


@app.command
def calls(*, as_json: Json = False) -> None:
    """Show how often each action was called since the start or the last reset."""
    process.read_running(find_home())
    counts = process.read_status(find_home())["calls"]
    if as_json:
        echo_json(counts)
    else:
        echo("\n".join(f"{count:>6} {action}" for action, count in counts.items()) or "No calls.")


@app.command
def reset() -> None:
    """Empty the cloud and its counters, running or stopped; address and keys are kept."""
    process.reset(find_home())
    echo("The local cloud is empty.")


@app.command
def env(*, as_json: Json = False) -> None:
    """Print shell exports that point QingCloud clients at the local cloud."""
    variables = process.read_environment(find_home())
    if as_json:
        echo_json(variables)
    else:
        pairs = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
        echo(f"export {' '.join(pairs)}")


app.command(
    "localcloud.fault_command:app",
    name="fault",
    help="Inject faults, seeded and repeatable.",
)


@app.command
def ports(*numbers: Port) -> int:
    """Check that TCP ports are free on the cloud's public addresses.

    Prints nothing and ends with 0 if all are; otherwise names the first that is not and ends
    with 2.
    """
    if obstacle := find_obstacle(numbers):
        echo_error(obstacle)
        return 2
    return 0


def main() -> int:
    """Run one command, and return its exit code: 2 for refusals, 1 for failures."""
    try:
        words = choose(sys.argv[1:])
        app.help_formatter, app.help_epilogue = Help(), translate(HELP)
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # here, because an error at Python's exit could not be caught
    except (process.Refused, CycloptsError, UnknownLanguage) as error:
        echo_error(in_one_line(error))
        return 2
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (process.StartFailed, OSError) as error:
        why = find_home().why_not(error) if isinstance(error, OSError) else ""
        echo_error(why or str(error))
        return 2 if why else 1
    return code if isinstance(code, int) else 0


def in_one_line(error: Exception) -> str:
    """Return an error's text; of pydantic's long message, the reason only."""
    cause = error.__cause__
    if isinstance(error, ValidationError) and isinstance(cause, pydantic.ValidationError):
        error.exception_message = cause.errors(include_url=False)[0]["msg"]
    return str(error)


if __name__ == "__main__":
    sys.exit(main())

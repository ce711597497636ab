"""The command `qingcloud-k8s`: every flow, the Prefect server and worker, and the local cloud.

A sub-command imports only its own module, once what was typed is understood; it is the same as
`python -m` with that module.
"""

import runpy
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from words import HELP, UnknownLanguage, choose, translate

if TYPE_CHECKING:
    from cyclopts import App

NAME = "qingcloud-k8s"
PACKAGE = "kubernetes-on-qingcloud"


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: the module that it runs, and its line in the list."""

    module: str
    summary: str


COMMANDS = {
    "provision": Command("flows.provision", "Create a cluster, or finish or extend one"),
    "scale": Command("flows.scale", "Add machines to a group, or remove some"),
    "teardown": Command("flows.teardown", "Delete a cluster and all that belongs to it"),
    "status": Command("flows.status", "Show the state of a cluster"),
    "backup": Command("flows.backup", "Back a cluster up, or list its backups"),
    "restore": Command("flows.restore", "Restore a cluster from a backup"),
    "drill": Command("flows.drill", "Try whether a backup restores"),
    "check": Command("flows.check", "Check whether a cluster is well"),
    "repair": Command("flows.repair", "Replace broken machines"),
    "adopt": Command("flows.adopt", "Make a machine that exists a node, or release it"),
    "rollout": Command("flows.rollout", "Bring changed templates to the machines"),
    "run-script": Command("flows.run_script", "Run a script on the machines of a group"),
    "upgrade": Command("flows.upgrade", "Bring a cluster to another version of Kubernetes"),
    "maintain": Command("flows.maintain", "Renew certificates in time"),
    "addons": Command("flows.addons", "Install, change and remove add-ons"),
    "drift": Command("flows.drift", "Compare a cluster with its description; repair it"),
    "sweep": Command("flows.sweep", "Delete what belongs to no living cluster"),
    "autoscale": Command("flows.autoscale", "Grow and shrink a group with its load"),
    "monitor": Command("flows.monitor", "Collect metrics and evaluate alarms"),
    "dashboard": Command("flows.dashboard", "Write a page of charts"),
    "ui": Command("flows.ui", "Install and publish kube-ui; print a token"),
    "kubeconfig": Command("flows.kubeconfig", "Write an administrator's kubeconfig"),
    "demo": Command("flows.demo", "Run the nginx demo and fetch its page"),
    "server": Command("deployments.server", "Start, stop or find the Prefect server"),
    "deploy": Command("deployments.register", "Register a cluster's deployments in Prefect"),
    "worker": Command("deployments.worker", "Run what is deployed, until Ctrl-C"),
    "schema": Command("deployments.schema", "Print the JSON Schema of a cluster's file"),
    "tour": Command("deployments.tour", "Walk through the article's steps, explained"),
    "local": Command("localcloud", "Start, stop or inspect the local cloud"),
}


def main() -> None:
    """Run one sub-command to its exit code; see `flows/_cli/command.py` for the codes."""
    try:
        name = next(iter(choose(sys.argv[1:])), "")
        command = COMMANDS.get(name)
        if command is None:
            _list_commands()
        elif command.module.startswith("flows."):
            _run_flow(name, command.module)
        elif command.module.startswith("deployments."):
            _run_deployment(name, command.module)
        else:
            _run_local_cloud(name, command.module)
    except UnknownLanguage as error:
        _refuse(str(error))
    except ImportError as error:
        if error.name != "flows":  # its message names the file that hides a package of ours
            raise
        _refuse(str(error))
    except KeyboardInterrupt:
        sys.stderr.write(translate("Error: interrupted") + "\n")
        sys.exit(130)


def _run_flow(name: str, module: str) -> None:
    from flows import end_at_signals

    end_at_signals()
    flags = _parse(name, f"flows._cli.flags.{_last(module)}")
    from flows._cli.command import run  # from here on it is slow

    run(import_module(module).main, flags)


def _run_deployment(name: str, module: str) -> None:
    import flows  # noqa: F401 - it refuses to go on where a file hides a package of ours

    flags = _parse(name, f"deployments._flags.{_last(module)}")
    from deployments._command import run

    run(import_module(module).main, flags)


def _parse(name: str, parser: str) -> object:
    """Read what was typed behind the name of the sub-command."""
    from flows._cli.parsing import parse

    app = _make_app()
    app.command(import_module(parser).app, name=name)
    return parse(app)


def _last(module: str) -> str:
    return module.rpartition(".")[2]


def _run_local_cloud(name: str, module: str) -> None:
    sys.argv[:2] = [f"{NAME} {name}"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _list_commands() -> None:
    """Print the list or the version, or refuse an unknown command."""
    from cyclopts import CycloptsError

    from words.helping import Help

    app = _make_app()
    app.help_formatter, app.help_epilogue = Help(), translate(HELP)
    for name, command in COMMANDS.items():
        app.command(_stand_in, name=name, help=command.summary)
    try:
        app(choose(sys.argv[1:]), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _refuse(str(error))


def _stand_in() -> None:
    """Stand for a sub-command in the list, so that the list imports none of them."""


def _make_app() -> "App":
    from cyclopts import App

    return App(
        name=NAME,
        help="Kubernetes clusters on QingCloud, or on a local cloud, as Prefect flows.",
        version=_version,
        suppress_keyboard_interrupt=False,  # it would end without a message
    )


def _version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown: the package is not installed"


def _refuse(sentence: str) -> None:
    sys.stderr.write(translate(f"Error: {sentence}") + "\n")
    sys.exit(2)

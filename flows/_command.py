"""What all commands share: flags, exit codes, where Prefect answers, what is shown.

Exit codes: 0 done, 1 begun and not finished, 2 asked for something that cannot be done,
130 ended by Ctrl-C, 143 ended by SIGTERM.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import App, CycloptsError, Parameter

from blocks.accounts import ChosenAccount, QingCloudAccount, choose_account
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_teardown
from domain.kernel.errors import BadRequest, ClusterError, InvalidSpec, NotFound, OtherRun
from domain.spec.cluster import ClusterSpec, changed, overlay, parse_spec
from flows._interruption import Interrupted, interruptible, naming
from flows._server import last_words, prefect_server
from flows._terminal import (
    Steps,
    confirm,
    print_json,
    quiet_prefect,
    say,
    show_error,
    show_plan,
)
from tasks.credentials import need_credentials
from tasks.overview import check_account, check_changes, read_view, with_sources
from tasks.steps import listening, run_logger


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Flags that every command has."""

    name: Annotated[str | None, Parameter(help="Cluster name (default: demo)")] = None
    file: Annotated[Path | None, Parameter(help="YAML file describing the cluster")] = None
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None
    json: Annotated[
        bool, Parameter(negative=(), help="Print one JSON document on standard output")
    ] = False
    debug: Annotated[
        bool, Parameter(negative=(), help="Show Prefect's log and full tracebacks")
    ] = False


YES = Annotated[bool, Parameter(negative=(), help="Do not ask for confirmation")]


@dataclass
class Session:
    """One run of a command: whose account, which cluster, and who watches."""

    common: Common
    chosen: ChosenAccount
    steps: Steps = field(default_factory=Steps)

    @property
    def account(self) -> QingCloudAccount:
        return self.chosen.account

    def say(self, words: str) -> None:
        say(words)

    def answer(self, document: object) -> None:
        """Write the command's JSON document, if it was asked for."""
        if self.common.json:
            print_json(document)

    def agree(self, plan: Plan, question: str, *, yes: bool) -> None:
        """Show what is about to be done, and go on only with a yes.

        Raises:
            NotConfirmed: somebody said no, or nobody can answer.
        """
        show_plan(plan)
        if not yes and not confirm(question):
            raise BadRequest("nothing was changed, because the answer was not yes")


def read_document(common: Common) -> dict[str, Any]:
    """The file's content with the flags laid over it. Raises `InvalidSpec`."""
    document: dict[str, Any] = {}
    if common.file is not None:
        try:
            document = yaml.safe_load(common.file.read_text()) or {}
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSpec(f"the file {common.file} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            raise InvalidSpec(f"the file {common.file} is not valid YAML: {error}") from error
        if not isinstance(document, dict):
            raise InvalidSpec(f"the file {common.file} must hold keys such as `name` and `nodes`")
    if common.name is not None:
        document = overlay(document, {"name": common.name})
    return document


def cluster_name(common: Common) -> str:
    """The name of the cluster that is meant, checked."""
    document = read_document(common)
    return parse_spec({"name": document.get("name", "demo")}).name


def wanted_spec(
    account: QingCloudAccount,
    view: Inventory,
    stored: ClusterSpec | None,
    document: dict[str, Any],
) -> ClusterSpec:
    """What was asked, over what was asked before, over the defaults.

    A cluster that exists but does not answer keeps the size that it has.

    Args:
        stored: what was asked before; None where the cluster does not tell it.

    Raises:
        InvalidSpec: a value is wrong, or cannot be changed on a cluster that exists.
        CredentialsMissing: there are machines, and nobody here can reach them.
    """
    if stored is None:
        need_credentials(account, view)
    if stored is None and view.nodes:
        there = len(view.nodes)
        kept = {"nodes": {"count": there, "maximum": max(10, there)}}
        document = overlay(kept, document)
    spec = changed(stored or ClusterSpec(name=view.name), document)
    if stored:
        check_changes(account, view, stored, spec)
    return with_sources(account, spec)


def never_lower(spec: ClusterSpec, view: Inventory) -> ClusterSpec:
    """Keep machines above the wanted count: `provision` adds, `scale` removes."""
    there = len(view.nodes)
    if there <= spec.nodes.count:
        return spec
    return changed(spec, {"nodes": {"count": there, "maximum": max(there, spec.nodes.maximum)}})


@contextmanager
def telling(what_is_left: Callable[[], None]) -> Iterator[None]:
    """Tell what a run leaves behind that does not end well, for what is left may be billed."""

    def tell() -> None:
        try:
            what_is_left()
        except Exception as error:  # it shall not hide why the run failed
            run_logger().warning("what is there cannot be told: %s", error)

    try:
        with last_words(tell):
            yield
    except OtherRun:  # what is there is that one's, which is not over
        raise
    except (Exception, KeyboardInterrupt):
        tell()
        raise


def tell_billed(opened: Session, name: str) -> None:
    """Say what is billed of a cluster that is not as it should be."""
    left = plan_teardown(read_view(opened.account, name)).items
    billed = [f"{item.kind} {item.id}" for item in left if item.billed]
    if billed:
        opened.say(
            f"What is there stays, and is billed: {', '.join(billed)}. Run the same command "
            f"again to go on, or: python -m flows.teardown --name {name}"
        )


@contextmanager
def session(
    common: Common, *, shows_steps: bool = True, lasting: bool = False
) -> Iterator[Session]:
    """Open a session: find the Prefect server, choose the account, show steps as they happen.

    Args:
        shows_steps: False for a command that needs the terminal for a live picture of its own.
        lasting: True for a command that runs until somebody ends it, longer than its server.
    """
    if not common.debug:
        quiet_prefect()
    with prefect_server(say, debug=common.debug, lasting=lasting):
        chosen = choose_account(common.account)
        opened = Session(common, chosen)
        opened.say(f"Account: {chosen.description}")
        check_account(chosen.account)
        if not shows_steps:
            yield opened
            return
        with naming(opened.steps), opened.steps, listening(opened.steps):
            yield opened


def make_app(flow: str, help_text: str) -> App:
    return App(
        name=f"python -m flows.{flow}",
        help=help_text,
        version_flags=(),
        suppress_keyboard_interrupt=False,  # it would end without a word
    )


def run(app: App) -> None:
    """Run a command to its exit code; errors are one sentence, unless `--debug` asks for more."""
    debug = "--debug" in sys.argv
    try:
        with interruptible():
            app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        show_error(str(error))
        sys.exit(2)
    except Interrupted as interrupted:
        show_error(str(interrupted))
        sys.exit(interrupted.code)
    except ClusterError as error:
        if debug:
            raise
        show_error(str(error))
        sys.exit(2 if isinstance(error, BadRequest | NotFound) else 1)
    except Exception as error:
        if debug:
            raise
        show_error(
            f"unexpected {type(error).__name__}: {error}; run it again with --debug for details"
        )
        sys.exit(1)

"""What all commands share: flags, exit codes, where Prefect answers, what is shown.

Exit codes: 0 done, 1 begun and not finished, 2 asked for something that cannot be done.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import App, CycloptsError, Parameter
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.accounts import ChosenAccount, QingCloudAccount, choose_account
from blocks.settings import find_running_server
from domain.errors import BadRequest, ClusterError, InvalidSpec, NotFound
from domain.plan import Plan
from domain.spec import ClusterSpec, changed, overlay, parse_spec
from domain.view import ClusterView
from flows._terminal import (
    Steps,
    confirm,
    open_console,
    print_json,
    quiet_prefect,
    show_error,
    show_plan,
)
from tasks.overview import check_account, stored_spec, with_sources
from tasks.steps import listening


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Flags that every command has."""

    name: Annotated[str | None, Parameter(help="Name of the cluster (demo)")] = None
    file: Annotated[Path | None, Parameter(help="YAML file that describes the cluster")] = None
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None
    json: Annotated[bool, Parameter(negative=(), help="One JSON document on standard output")] = (
        False
    )
    debug: Annotated[
        bool, Parameter(negative=(), help="Prefect's log, and tracebacks of errors")
    ] = False


YES = Annotated[bool, Parameter(negative=(), help="Do not ask before what costs or destroys")]


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
        open_console().print(words, soft_wrap=True, markup=False)

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
    account: QingCloudAccount, view: ClusterView, document: dict[str, Any]
) -> ClusterSpec:
    """What was asked, over what was asked before, over the defaults.

    A cluster that exists but does not answer keeps the size that it has.
    """
    stored = stored_spec(account, view)
    if stored is None and view.nodes:
        there = len(view.nodes)
        kept = {"nodes": {"count": there, "maximum": max(10, there)}}
        document = overlay(kept, document)
    spec = changed(stored or ClusterSpec(name=view.name), document)
    return with_sources(account, spec)


def never_lower(spec: ClusterSpec, view: ClusterView) -> ClusterSpec:
    """Keep machines above the wanted count: `provision` adds, `scale` removes."""
    there = len(view.nodes)
    if there <= spec.nodes.count:
        return spec
    return changed(spec, {"nodes": {"count": there, "maximum": max(there, spec.nodes.maximum)}})


@contextmanager
def session(common: Common, *, shows_steps: bool = True) -> Iterator[Session]:
    """Open a session: find the Prefect server, choose the account, show steps as they happen.

    `shows_steps` is False for a command that needs the terminal for a live picture of its own.
    """
    if not common.debug:
        quiet_prefect()
    with _prefect_server():
        chosen = choose_account(common.account)
        opened = Session(common, chosen)
        opened.say(f"Account: {chosen.description}")
        check_account(chosen.account)
        if not shows_steps:
            yield opened
            return
        with opened.steps, listening(opened.steps):
            yield opened


@contextmanager
def _prefect_server() -> Iterator[None]:
    url = "" if PREFECT_API_URL.value() else find_running_server()
    if not url:
        yield
        return
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def make_app(flow: str, help_text: str) -> App:
    return App(name=f"python -m flows.{flow}", help=help_text, version_flags=())


def run(app: App) -> None:
    """Run a command to its exit code; errors are one sentence, unless `--debug` asks for more."""
    debug = "--debug" in sys.argv
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        show_error(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        show_error("interrupted; what was made stays, and the same command goes on with it")
        sys.exit(130)
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

"""The common part of all commands: flags, session, exit codes, error messages.

Exit codes: 0 done, 1 begun and not finished, 2 the request cannot be carried out,
130 ended by Ctrl-C, 143 ended by SIGTERM.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect import tags

from blocks.accounts import ChosenAccount, QingCloudAccount, choose_account
from blocks.artifacts import collecting_published
from blocks.settings import keep_loopback_direct
from domain.cloud.foreign import Surroundings
from domain.cloud.known import has_changed
from domain.cloud.plan import Plan
from domain.cloud.planning import plan_teardown
from domain.kernel.errors import (
    BadRequest,
    ClusterError,
    InvalidSpec,
    NotFound,
    OtherRun,
    RefusedAfterwards,
)
from domain.spec.cluster import overlay, parse_spec
from domain.spec.documents import read_yaml
from flows._cli.flags.common import Common
from flows._cli.interruption import Interrupted, interruptible, naming
from flows._cli.quiet import quiet_prefect
from flows._cli.server import called_at_loss, prefect_server
from flows._cli.starting import end_imports
from flows._cli.terminal import (
    Steps,
    confirm,
    print_json,
    print_line,
    show_error,
    show_plan,
    show_published,
)
from tasks.accounts import cluster_tags
from tasks.cluster import Cluster, open_cluster
from tasks.steps import listening, run_logger


@dataclass
class Session:
    """One run of a command: its account, its cluster, and the display of its steps."""

    common: Common
    chosen: ChosenAccount
    cluster: Cluster
    steps: Steps = field(default_factory=Steps)

    @property
    def account(self) -> QingCloudAccount:
        return self.chosen.account

    def print_line(self, text: str) -> None:
        """Print a line for people."""
        print_line(text)

    def print_result(self, document: object) -> None:
        """Print the command's JSON document, if `--json` is given."""
        if self.common.json:
            print_json(document)

    def confirm(self, plan: Plan, question: str, *, yes: bool) -> None:
        """Show the plan, and continue only after a yes.

        Raises:
            NotConfirmed: there is no terminal to ask.
            BadRequest: the answer was not yes.
        """
        show_plan(plan)
        self.agree(question, yes=yes)

    def settle(
        self, planned: Plan, question: str, *, nothing: str, only_plan: bool, yes: bool
    ) -> bool:
        """Show what is planned, and ask whether to do it.

        Args:
            nothing: what is said where nothing is planned.
            only_plan: with `--plan`: print the plan, and do nothing.

        Returns:
            Whether to go on.

        Raises: as `confirm`.
        """
        if not planned.items:
            self.print_line(nothing)
        elif only_plan:
            show_plan(planned)
        if only_plan:
            self.print_result(planned)
        elif planned.changes:
            self.confirm(planned, question, yes=yes)
        return not only_plan

    def agree(self, question: str, *, yes: bool) -> None:
        """Continue only after a yes. Raises as `confirm` does."""
        if not yes and not confirm(question):
            raise BadRequest("nothing was changed, because the answer was not yes")


def read_document(common: Common) -> dict[str, Any]:
    """Read the file, and lay the flags over it. Raises `InvalidSpec`."""
    document: dict[str, Any] = {}
    if common.file is not None:
        try:
            text = common.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSpec(f"the file {common.file} cannot be read: {error}") from error
        document = read_yaml(text, f"the file {common.file}")
    if common.name is not None:
        document = overlay(document, {"name": common.name})
    return document


def cluster_name(common: Common) -> str:
    """The cluster's name from flags or file, checked."""
    document = read_document(common)
    return parse_spec({"name": document.get("name", "demo")}).name


@contextmanager
def reporting(report_resources: Callable[[], None]) -> Iterator[None]:
    """Report the resources of a failed run, as they may be billed."""

    def report() -> None:
        try:
            report_resources()
        except Exception as error:  # it must not hide why the run failed
            run_logger().warning("the existing resources cannot be reported: %s", error)

    try:
        with called_at_loss(report):
            yield
    except OtherRun:  # the existing resources are the other run's
        raise
    except (Exception, KeyboardInterrupt):
        report()
        raise


def report_billed(opened: Session, look: Callable[[], Surroundings] = Surroundings) -> None:
    """Report the billed resources of a cluster after a failed run.

    Args:
        look: reads what the cluster's add-ons have made.
    """
    left = plan_teardown(opened.cluster.inventory(fresh=True), look()).items
    billed = [f"{item.kind} {item.id}" for item in left if item.billed]
    if billed:
        opened.print_line(
            f"Existing resources stay and are billed: {', '.join(billed)}. Run the same command "
            f"again to continue, or: python -m flows.teardown --name {opened.cluster.name}"
        )


@contextmanager
def refusals_come_first(cluster: Cluster) -> Iterator[None]:
    """Let a refusal end with exit code 2 only while nothing has been changed.

    Raises:
        RefusedAfterwards: in place of a refusal that came later, with its message.
    """
    try:
        yield
    except (BadRequest, NotFound) as error:
        if has_changed(cluster.cloud):
            raise RefusedAfterwards(str(error)) from error
        raise


@contextmanager
def session(
    common: Common, name: str, *, shows_steps: bool = True, lasting: bool = False
) -> Iterator[Session]:
    """Open a session: find the Prefect server, choose the account, show steps as they happen.

    Args:
        name: the cluster's name, checked.
        shows_steps: False for a command that needs the terminal for a live picture of its own.
        lasting: True for a command that runs until it is interrupted, and outlasts its server.
    """
    if not common.debug:
        quiet_prefect()
    with prefect_server(print_line, debug=common.debug, lasting=lasting):
        chosen = choose_account(common.account)
        print_line(f"Account: {chosen.description}")
        with open_cluster(chosen.account, name) as cluster, refusals_come_first(cluster):
            opened = Session(common, chosen, cluster)
            with tags(*cluster_tags(cluster.key)):
                if not shows_steps:
                    yield opened
                    return
                with naming(opened.steps), opened.steps, listening(opened.steps):
                    yield opened


def run(main: Callable[[Any], None], flags: object) -> None:
    """Run a command to its exit code; errors are one sentence, with `--debug` a traceback.

    Args:
        flags: what was typed, as `parse` returns it.
    """
    end_imports()
    debug = "--debug" in sys.argv
    keep_loopback_direct()
    try:
        with interruptible(), collecting_published() as published:
            main(flags)
            show_published(published.values())
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
    sys.exit(0)

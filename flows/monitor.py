"""Measure a cluster and look at its alarms, once or again and again: `python -m flows.monitor`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter
from prefect import flow

from blocks.accounts import QingCloudAccount
from clients.exposed_file import check_writable
from clients.scrapes import ScrapePage
from domain.kernel.errors import FinalError, InvalidSpec, TemporaryError
from domain.observe.alarms.deliveries import Outcome, format_test_results
from domain.observe.metrics.report import Incomplete, MetricsReport
from domain.spec.cluster import parse_spec
from flows._cli.command import Common, Session, cluster_name, make_app, read_document, run, session
from flows._cli.interruption import is_interrupted, until_interrupted
from flows._cli.numbers import whole_number
from flows._cli.server import SERVER_ERRORS, describe_silent
from flows._cli.terminal import Watch, show_metrics
from flows.runbooks.measure import measure
from tasks.alarms import send_test
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.metrics import (
    read_history,
)
from tasks.overview import need_cluster, need_spec
from tasks.run_log import log_errors_in_one_sentence

USUAL_PACE = 60
"""Seconds between two measurements of a watch."""


@flow(name="monitor", flow_run_name="monitor {name}", on_running=[log_errors_in_one_sentence])
def monitor(account: QingCloudAccount, name: str = "demo", prometheus: str = "") -> MetricsReport:
    """Measure a cluster, keep the samples, and take its alarms one step further.

    What cannot be measured leaves a gap with its reason, and everything else still arrives. A
    database that does not answer ends nothing either; the run fails when all else is done.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        prometheus: A file to write in Prometheus' text format, on the machine where the flow runs.

    Raises:
        Incomplete: the samples were not kept, or the alarms not evaluated; it carries the report.
    """
    file = Path(prometheus).expanduser() if prometheus else None
    if file:
        check_writable(file)
    with open_cluster(account, name) as cluster:
        return measure(PrefectSteps(), cluster, datetime.now(UTC), file)


app = make_app("monitor", "Collect a cluster's metrics and evaluate its alarms.")


@app.default
def main(
    *,
    watch: Annotated[bool, Parameter(negative=(), help="Keep measuring, with a live view")] = False,
    every: Annotated[
        int | None,
        Parameter(
            help="With --watch: seconds between measurements (default: 60)", converter=whole_number
        ),
    ] = None,
    prometheus: Annotated[
        Path | None, Parameter(help="File to write in Prometheus' text format")
    ] = None,
    listen: Annotated[
        str | None,
        Parameter(
            help="With --watch: serve it to Prometheus on this loopback port, or on host:port"
        ),
    ] = None,
    test_notification: Annotated[
        bool,
        Parameter(negative=(), help="Only send a test message to everybody who is told of alarms"),
    ] = False,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Measure a cluster's pods, requests, machines and custom monitors, and keep the samples."""
    name = cluster_name(common)
    if test_notification:
        if watch or prometheus or every is not None or listen is not None:
            raise InvalidSpec("--test-notification measures nothing, so it stands alone")
        with session(common, name) as opened:
            _send_test(opened)
        return
    if every is not None and not watch:
        raise InvalidSpec("--every needs --watch, which measures again and again")
    if every is not None and not 5 <= every <= 3600:
        raise InvalidSpec(f"--every {every} is not between 5 and 3600 seconds")
    if watch and common.json:
        raise InvalidSpec("--watch and --json do not go together; --json measures once")
    if listen is not None and not watch:
        raise InvalidSpec("--listen needs --watch, which measures again and again")
    file = prometheus.absolute() if prometheus else None
    if file:
        check_writable(file)
    if watch:
        opening = session(common, name, shows_steps=False, lasting=True)
        with opening as opened, _page(listen, file) as page:
            if page:
                opened.say(f"Prometheus can read {page.url}")
            _watch(opened, name, page.file if page else file, every or USUAL_PACE, page)
        return
    trouble: Incomplete | None = None
    with session(common, name) as opened:
        try:
            report = monitor(opened.account, name, str(file or ""))
        except Incomplete as error:
            report, trouble = error.report, error
    show_metrics(report)
    opened.answer(report)
    if trouble:
        raise trouble


def _send_test(opened: Session) -> None:
    """Try the services of the file, where it names some, or else those the cluster remembers.

    Raises:
        FinalError: one of them has not taken the message.
    """
    document = read_document(opened.common)
    if "notifications" in document:
        spec = parse_spec(document)
    else:
        need_cluster(opened.cluster)
        spec = need_spec(opened.cluster)
    told = send_test(spec, datetime.now(UTC))
    opened.say(format_test_results(told))
    opened.answer(told)
    if failed := [one.service for one in told if one.outcome is not Outcome.SENT]:
        raise FinalError(f"the test message was not accepted by {', '.join(failed)}")


@contextmanager
def _page(address: str | None, file: Path | None) -> Iterator[ScrapePage | None]:
    """Listen for Prometheus where that is wanted; without a file to write, one that passes."""
    if address is None:
        yield None
        return
    with (
        TemporaryDirectory() as folder,
        ScrapePage(address, file or Path(folder) / "metrics.prom") as page,
    ):
        yield page


def _watch(
    opened: Session, name: str, file: Path | None, every: int, page: ScrapePage | None
) -> None:
    """Measure until somebody ends it, which is how a watch ends well; the last picture stays."""
    with until_interrupted(), Watch(name, every) as picture:
        while not is_interrupted():
            began = time.monotonic()
            trouble = ""
            try:
                report = monitor(opened.account, name, str(file or ""))
            except Incomplete as error:  # what is measured and written for Prometheus is of now
                picture.show(error.report, {})
                picture.tell(str(error))
            except TemporaryError as error:
                trouble = str(error)
                picture.tell(trouble)
            except SERVER_ERRORS as error:
                trouble = describe_silent(error)
                picture.tell(trouble)
            else:
                picture.show(report, read_history(name, report.time))
            if page:
                page.trouble = trouble
            if not is_interrupted():  # a flow run that is just ending may swallow the exception
                time.sleep(max(0.0, every - (time.monotonic() - began)))
    opened.say(f"Cluster {name} is not measured any more")


if __name__ == "__main__":
    run(app)

"""Measure a cluster and evaluate its alarms, once or repeatedly: `python -m flows.monitor`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import flow

from blocks.accounts import QingCloudAccount
from clients.exposed_file import check_writable
from clients.scrapes import ScrapePage
from domain.kernel.errors import FinalError, InvalidSpec, TemporaryError
from domain.observe.alarms.deliveries import Outcome, format_test_results
from domain.observe.metrics.report import Incomplete, MetricsReport
from domain.spec.cluster import ClusterName, parse_spec
from flows._cli.command import Session, cluster_name, read_document, run, session
from flows._cli.custom_monitors import change_monitors
from flows._cli.flags.monitor import Add, Flags, List, Remove, app
from flows._cli.interruption import is_interrupted, until_interrupted
from flows._cli.parsing import parse
from flows._cli.server import SERVER_ERRORS, describe_silent
from flows._cli.terminal import Watch, show_metrics
from flows.runbooks.measure import measure
from tasks.alarms import send_test
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.metrics import read_history
from tasks.overview import need_cluster, need_spec
from tasks.run_log import keep_log_short

USUAL_PACE = 60
"""Seconds between two measurements of a watch."""


@flow(name="monitor", flow_run_name="monitor {name}", on_running=[keep_log_short])
def monitor(
    account: QingCloudAccount, name: ClusterName = "demo", prometheus: str = ""
) -> MetricsReport:
    """Measure a cluster, store the samples, and evaluate its alarms.

    A value that cannot be measured leaves a gap with its reason, and the others are collected. A
    database that does not answer ends nothing either; the run fails after everything else is done.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        prometheus: A file to write in Prometheus' text format, on the machine where the flow runs.

    Raises:
        Incomplete: samples were not stored, or alarms not evaluated; it carries the report.
    """
    file = Path(prometheus).expanduser() if prometheus else None
    if file:
        check_writable(file)
    with open_cluster(account, name) as cluster:
        return measure(PrefectSteps(), cluster, datetime.now(UTC), file)


def main(flags: Flags | Add | Remove | List) -> None:
    """Measure a cluster's pods, requests, machines and custom monitors, and keep the samples."""
    if not isinstance(flags, Flags):
        change_monitors(flags)
        return
    name = cluster_name(flags.common)
    if flags.test_notification:
        if flags.watch or flags.prometheus or flags.every is not None or flags.listen is not None:
            raise InvalidSpec("--test-notification measures nothing; use it without other flags")
        with session(flags.common, name) as opened:
            _send_test(opened)
        return
    if flags.every is not None and not flags.watch:
        raise InvalidSpec("--every needs --watch, which measures repeatedly")
    if flags.every is not None and not 5 <= flags.every <= 3600:
        raise InvalidSpec(f"--every {flags.every} is not between 5 and 3600 seconds")
    if flags.watch and flags.common.json:
        raise InvalidSpec("--watch and --json do not go together; --json measures once")
    if flags.listen is not None and not flags.watch:
        raise InvalidSpec("--listen needs --watch, which measures repeatedly")
    file = flags.prometheus.absolute() if flags.prometheus else None
    if file:
        check_writable(file)
    if flags.watch:
        opening = session(flags.common, name, shows_steps=False, lasting=True)
        with opening as opened, _page(flags.listen, file) as page:
            if page:
                opened.print_line(f"Prometheus can read {page.url}")
            _watch(opened, name, page.file if page else file, flags.every or USUAL_PACE, page)
        return
    incomplete: Incomplete | None = None
    with session(flags.common, name) as opened:
        try:
            report = monitor(opened.account, name, str(file or ""))
        except Incomplete as error:
            report, incomplete = error.report, error
    show_metrics(report)
    opened.print_result(report)
    if incomplete:
        raise incomplete


def _send_test(opened: Session) -> None:
    """Send a test message through the services of the file, or else of the stored description.

    Raises:
        FinalError: one of them did not accept the message.
    """
    document = read_document(opened.common)
    if "notifications" in document:
        spec = parse_spec(document)
    else:
        need_cluster(opened.cluster)
        spec = need_spec(opened.cluster)
    sent = send_test(spec, datetime.now(UTC))
    opened.print_line(format_test_results(sent))
    opened.print_result(sent)
    if failed := [one.service for one in sent if one.outcome is not Outcome.SENT]:
        raise FinalError(f"the test message was not accepted by {', '.join(failed)}")


@contextmanager
def _page(address: str | None, file: Path | None) -> Iterator[ScrapePage | None]:
    """Serve the metrics to Prometheus if wanted; without a file, from a temporary one."""
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
    """Measure until an interruption, after which the last picture stays; that is a success."""
    with until_interrupted(), Watch(name, every) as picture:
        while not is_interrupted():
            began = time.monotonic()
            failure = ""
            try:
                report = monitor(opened.account, name, str(file or ""))
            except Incomplete as error:  # the report itself is up to date
                picture.show(error.report, {})
                picture.show_failure(str(error))
            except TemporaryError as error:
                failure = str(error)
                picture.show_failure(failure)
            except SERVER_ERRORS as error:
                failure = describe_silent(error)
                picture.show_failure(failure)
            else:
                picture.show(report, read_history(opened.cluster.id, report.time))
            if page:
                page.trouble = failure
            if not is_interrupted():  # a flow run that is just ending may swallow the exception
                time.sleep(max(0.0, every - (time.monotonic() - began)))
    opened.print_line(f"Stopped measuring cluster {name}")


if __name__ == "__main__":
    run(main, parse(app))

"""Measure a cluster and look at its alarms, once or again and again: `python -m flows.monitor`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter
from prefect import flow

from blocks.accounts import QingCloudAccount
from clients.exposed_file import check_writable, write_at_once
from clients.scrapes import ScrapePage
from domain.kernel.errors import FinalError, InvalidSpec, TemporaryError
from domain.observe.alarms.deliveries import Outcome, format_test_results
from domain.observe.metrics.exposition import expose
from domain.observe.metrics.places import of_living_machines
from domain.observe.metrics.records import Collected, Gap
from domain.observe.metrics.report import Incomplete, MetricsReport, check_complete, report_metrics
from domain.spec.cluster import parse_spec
from flows._command import Common, Session, cluster_name, make_app, read_document, run, session
from flows._interruption import is_interrupted, until_interrupted
from flows._numbers import whole_number
from flows._run_log import tell_errors_in_one_sentence
from flows._server import SERVER_ERRORS, say_silent
from flows._terminal import Watch, show_metrics
from tasks.alarms import collect_signals, look_at_alarms, send_test
from tasks.control_plane import api_url
from tasks.metrics import (
    MOST_MACHINES_FOR_REQUESTS,
    cloud_is_due,
    collect_cloud,
    collect_load,
    collect_scripts,
    keep_samples,
    need_billed,
    need_sight,
    read_history,
    recent_samples,
    silent_machines,
)
from tasks.overview import need_cluster, need_spec, spec_or_guess

USUAL_PACE = 60
"""Seconds between two measurements of a watch."""


@flow(name="monitor", flow_run_name="monitor {name}", on_running=[tell_errors_in_one_sentence])
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
    now = datetime.now(UTC)
    view = need_sight(account, name)
    due = cloud_is_due(view, now)
    if due:
        view = need_billed(account, view)
    spec = spec_or_guess(account, view)
    url = api_url(view.public_address, spec.access.api_port)
    few = len(view.instances) <= MOST_MACHINES_FOR_REQUESTS
    load = collect_load.submit(account, view, url, now, with_requests=due or few)
    seen = collect_cloud(account, view, now) if due else Collected()
    silent = silent_machines(view, seen) if due else frozenset()
    of_machines = collect_scripts(account, spec, view, silent, now)
    signals = collect_signals(account, spec, view, now, thorough=due)
    collected = load.result() + seen + of_machines + signals
    kept = keep_samples(name, collected, now, spec.monitoring.retention_days)
    gaps = collected.gaps
    if kept.reason:
        gaps += (Gap(now, name, "", "", "all samples", kept.reason),)
    alarms = look_at_alarms(spec, view, now, thorough=due)
    known = of_living_machines(view, recent_samples(name, now))
    samples = (*known, *collected.samples)
    if file:
        write_at_once(file, expose(samples, gaps))
    report = report_metrics(name, now, samples, gaps, kept.database)
    report = replace(report, alarms=alarms)
    check_complete(report, kept.reason)
    return report


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
        with session(common) as opened:
            _send_test(opened, name)
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
        opening = session(common, shows_steps=False, lasting=True)
        with opening as opened, _page(listen, file) as page:
            if page:
                opened.say(f"Prometheus can read {page.url}")
            _watch(opened, name, page.file if page else file, every or USUAL_PACE, page)
        return
    trouble: Incomplete | None = None
    with session(common) as opened:
        try:
            report = monitor(opened.account, name, str(file or ""))
        except Incomplete as error:
            report, trouble = error.report, error
    show_metrics(report)
    opened.answer(report)
    if trouble:
        raise trouble


def _send_test(opened: Session, name: str) -> None:
    """Try the services of the file, where it names some, or else those the cluster remembers.

    Raises:
        FinalError: one of them has not taken the message.
    """
    document = read_document(opened.common)
    if "notifications" in document:
        spec = parse_spec(document)
    else:
        spec = need_spec(opened.account, need_cluster(opened.account, name))
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
                trouble = say_silent(error)
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

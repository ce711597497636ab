"""Draw the samples: `python -m flows.dashboard --out report.html`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.kernel.errors import FinalError, InvalidSpec
from domain.observe.metrics.report import MEND_DATABASE
from domain.reports.dashboard.page import write_page
from domain.reports.dashboard.records import Dashboard
from domain.spec.part import Whole
from flows._cli.command import Common, cluster_name, make_app, run, session
from flows._cli.numbers import whole_number
from tasks.cluster import open_cluster
from tasks.dashboard import publish_dashboard, read_dashboard
from tasks.overview import need_cluster, spec_or_guess
from tasks.run_log import keep_log_short

MOST_HOURS = 24 * 31


@flow(name="dashboard", flow_run_name="dashboard {name}", on_running=[keep_log_short])
def dashboard(account: QingCloudAccount, name: str = "demo", hours: Whole = 24) -> Dashboard:
    """Draw a cluster's charts, and store them as an artifact of the run.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        hours: How far back to look.
    """
    with open_cluster(account, name) as cluster:
        inventory = need_cluster(cluster)
        spec, now = spec_or_guess(cluster), datetime.now(UTC)
        span = timedelta(hours=hours)
        board = read_dashboard(cluster.id, spec, inventory, account.zone, now, span)
        publish_dashboard(board, UTC, cluster.key)
    return board


app = make_app("dashboard", "Write a page of charts: metrics, scale events, alarms, cost.")


@app.default
def main(
    *,
    out: Annotated[Path, Parameter(help="HTML file to write")] = Path("report.html"),
    hours: Annotated[int, Parameter(help="Hours to look back", converter=whole_number)] = 24,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Write one self-contained page with charts: metrics, machines, alarms, cost."""
    name = cluster_name(common)
    if not 1 <= hours <= MOST_HOURS:
        raise InvalidSpec(f"--hours {hours} is not between 1 and {MOST_HOURS}")
    with session(common, name) as opened:
        board = dashboard(opened.account, name, hours)
    zone = board.until.astimezone().tzinfo or UTC
    try:
        out.write_text(write_page(board, zone), encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(f"{out} cannot be written: {error.strerror}") from error
    opened.print_line(f"{out}: open it in a browser; it needs no network")
    opened.print_result(board)
    if board.lost:
        raise FinalError(f"{out} shows no samples, because {board.lost}. {MEND_DATABASE}")


if __name__ == "__main__":
    run(app)

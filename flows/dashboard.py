"""Draw the samples: `python -m flows.dashboard --out report.html`."""

from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.settings import PREFECT_API_URL

from blocks.accounts import QingCloudAccount
from blocks.prefect_server import auth_file, client_auth, own_auth
from domain.kernel.errors import FinalError, InvalidSpec
from domain.observe.metrics.report import MEND_DATABASE
from domain.reports.dashboard.page import Look, write_page
from domain.reports.dashboard.records import Dashboard
from domain.spec.part import Whole
from flows._cli.command import Session, cluster_name, run, session
from flows._cli.flags.dashboard import Flags, app
from flows._cli.interruption import until_interrupted
from flows._cli.page_server import PageServer
from flows._cli.parsing import parse
from tasks.cluster import open_cluster
from tasks.dashboard import publish_dashboard, read_page
from tasks.run_log import keep_log_short
from words import chosen

MOST_HOURS = 24 * 31
MOST_PORT = 65535

REFRESH = 30
"""Seconds after which a served page reads itself again."""

CLOUD_AGAIN = timedelta(minutes=2)
"""How old the cloud's answers on a served page may be: each reading costs some ten calls."""


@flow(name="dashboard", flow_run_name="dashboard {name}", on_running=[keep_log_short])
def dashboard(account: QingCloudAccount, name: str = "demo", hours: Whole = 24) -> Dashboard:
    """Draw a cluster's charts, and store them as an artifact of the run.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
        hours: How far back to look.
    """
    with open_cluster(account, name) as cluster:
        board = read_page(cluster, hours)
        publish_dashboard(board, UTC, cluster.key)
    return board


def main(flags: Flags) -> None:
    """Write one self-contained page with charts: metrics, machines, scalings, alarms, cost."""
    name = cluster_name(flags.common)
    if not 1 <= flags.hours <= MOST_HOURS:
        raise InvalidSpec(f"--hours {flags.hours} is not between 1 and {MOST_HOURS}")
    if not flags.serve and flags.port:
        raise InvalidSpec("--port needs --serve")
    if not 0 <= flags.port <= MOST_PORT:
        raise InvalidSpec(f"--port {flags.port} is not between 0 and {MOST_PORT}")
    if flags.serve and flags.common.json:
        raise InvalidSpec("--serve and --json do not go together")
    with session(flags.common, name, lasting=flags.serve) as opened:
        if flags.serve:
            _serve(opened, flags.hours, flags.port, chosen())
            return
        board = dashboard(opened.account, name, flags.hours)
    try:
        flags.out.write_text(write_page(board, Look(chosen())), encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(f"{flags.out} cannot be written: {error.strerror}") from error
    opened.print_line(f"{flags.out}: open it in a browser; it needs no network")
    opened.print_result(board)
    if board.lost:
        raise FinalError(f"{flags.out} shows no samples, because {board.lost}. {MEND_DATABASE}")


def _serve(opened: Session, hours: int, port: int, lang: str) -> None:
    """Serve the page until Ctrl-C; it is read anew while somebody looks at it."""
    cluster, asked = opened.cluster, datetime.now(UTC)
    read_page(cluster, hours)  # a missing cluster is an error here

    def write(nonce: str) -> str:
        nonlocal asked
        if datetime.now(UTC) - asked > CLOUD_AGAIN:
            cluster.look_again()
            asked = datetime.now(UTC)
        return write_page(read_page(cluster, hours), Look(lang, REFRESH, nonce))

    auth = client_auth(PREFECT_API_URL.value() or "") or own_auth()
    try:
        server = PageServer(port, auth, write)
    except OSError as error:
        raise InvalidSpec(f"--port {port} cannot be used: {error.strerror}") from error
    with server, until_interrupted():
        user = auth.partition(":")[0]
        opened.print_line(
            f"{server.url}: log in as {user} with the password of the Prefect UI, the part after "
            f"the colon in {auth_file()}; end it with Ctrl-C"
        )
        server.serve_forever()
    opened.print_line("The page is not served any more")


if __name__ == "__main__":
    run(main, parse(app))

"""Tell how a cluster is: `python -m flows.status`."""

from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.report import ClusterReport
from flows._command import Common, cluster_name, make_app, run, session
from flows._terminal import show_report
from tasks.overview import need_cluster, read_report, spec_or_guess


@flow(name="status", flow_run_name="status {name}")
def status(account: QingCloudAccount, name: str = "demo") -> ClusterReport:
    """Read a cluster and report it; changes nothing.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    view = need_cluster(account, name)
    return read_report(account, view, spec_or_guess(account, view).access)


app = make_app("status", "Tell how a cluster is.")


@app.default
def main(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Tell how a cluster is: its machines, its nodes, its API and its UI."""
    name = cluster_name(common)
    with session(common) as opened:
        report = status(opened.account, name)
    show_report(report)
    opened.answer(report)


if __name__ == "__main__":
    run(app)

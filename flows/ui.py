"""Install and publish the web UI of a cluster: `python -m flows.ui`."""

from dataclasses import dataclass, field

from prefect import flow

from blocks.accounts import QingCloudAccount
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.ui import Flags, app
from flows._cli.parsing import parse
from flows.runbooks.reaching import reach
from flows.runbooks.ui import publish_ui
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.masters import serving_masters
from tasks.overview import need_cluster, spec_or_guess, with_sources
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.workloads import create_ui_token


@dataclass(frozen=True, slots=True)
class UiReport:
    """The URL of the UI, and a read-only token for eight hours to log in with."""

    cluster: str
    url: str
    token: str = field(repr=False)


@flow(name="ui", flow_run_name="ui {name}", on_running=[keep_log_short])
def ui(account: QingCloudAccount, name: str = "demo") -> str:
    """Install kube-ui through its script on the master, and publish it over HTTPS.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    with open_cluster(account, name) as cluster, only_run(cluster):
        need_cluster(cluster)
        cluster = cluster.wanting(with_sources(account, spec_or_guess(cluster)))
        steps = PrefectSteps()
        cluster = reach(steps, cluster.at(cluster.ssh_endpoints()))
        return publish_ui(steps, cluster, serving_masters(cluster)[0])


def main(flags: Flags) -> None:
    """Install the web UI, and print its URL and a read-only token."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        url = ui(opened.account, name)
        # Created here and not in the flow, because results of flows may be stored.
        token = create_ui_token(opened.cluster)
    opened.print_line(
        f"kube-ui answers at {url}\nLog in with this token, valid for 8 hours:\n{token}"
    )
    opened.print_result(UiReport(name, url, token))


if __name__ == "__main__":
    run(main, parse(app))

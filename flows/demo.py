"""Run the article's nginx in a cluster and fetch its page: `python -m flows.demo`."""

from dataclasses import dataclass

from prefect import flow

from blocks.accounts import QingCloudAccount
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.demo import Flags, app
from flows._cli.parsing import parse
from tasks.cluster import open_cluster
from tasks.executors import PrefectSteps
from tasks.overview import need_cluster
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.workloads import ensure_demo

PROXY_PATH = "/api/v1/namespaces/default/services/nginxservice/proxy/"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The URL of nginx's page, and its text."""

    cluster: str
    url: str
    page: str


@flow(name="demo", flow_run_name="demo {name}", on_running=[keep_log_short])
def demo(account: QingCloudAccount, name: str = "demo") -> DemoReport:
    """Run the article's ReplicationController and Service, and fetch the page from outside.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    with open_cluster(account, name) as cluster, only_run(cluster):
        need_cluster(cluster)
        page = PrefectSteps().run(ensure_demo, cluster)
        return DemoReport(name, cluster.endpoints().api_url + PROXY_PATH, page)


def main(flags: Flags) -> None:
    """Run nginx in a cluster, and fetch its page through the API server's service proxy."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        report = demo(opened.account, name)
    opened.print_line(f"nginx answers at {report.url}")
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))

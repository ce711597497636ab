"""Run the article's nginx in a cluster and fetch its page: `python -m flows.demo`."""

from dataclasses import dataclass

from prefect import flow

from blocks.accounts import QingCloudAccount
from flows._command import Common, cluster_name, make_app, run, session
from tasks.control_plane import api_url
from tasks.overview import need_cluster, spec_or_guess
from tasks.workloads import ensure_demo

PROXY_PATH = "/api/v1/namespaces/default/services/nginxservice/proxy/"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Where nginx's page was fetched from, and what it says."""

    cluster: str
    url: str
    page: str


@flow(name="demo", flow_run_name="demo {name}")
def demo(account: QingCloudAccount, name: str = "demo") -> DemoReport:
    """Run the article's ReplicationController and Service, and fetch the page from outside.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    view = need_cluster(account, name)
    url = api_url(view.public_address, spec_or_guess(account, view).access.api_port)
    return DemoReport(name, url + PROXY_PATH, ensure_demo(account, name, url))


app = make_app("demo", "Run the nginx demo and fetch its page through the API server.")


@app.default
def main(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Run nginx in a cluster, and fetch its page through the API server's service proxy."""
    name = cluster_name(common)
    with session(common) as opened:
        report = demo(opened.account, name)
    opened.say(f"nginx answers at {report.url}")
    opened.answer(report)


if __name__ == "__main__":
    run(app)

"""Steps of workloads in a cluster: the nginx demo and the web UI."""

from datetime import UTC, datetime, timedelta

from clients.certificates import read_certificate_end
from clients.web import fetch_page
from domain.cloud.balancer import UI_NODE_PORT
from domain.cloud.records import Instance
from domain.cluster import demo
from domain.cluster.api import SYSTEM
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, Refused, TemporaryError
from domain.kernel.waiting import wait_for
from domain.node import install, kube_ui
from domain.secrets.pki import make_server_certificate
from tasks.cluster import Cluster
from tasks.installers import demo_manifest, installer_files
from tasks.shells import open_shell
from tasks.steps import report_progress, step

UI_DEPLOYMENT = "kube-ui"
UI_ACCOUNT = "kube-ui-viewer"
UI_TOKEN_SECONDS = 8 * 3600
UI_CERTIFICATE_VALIDITY = timedelta(days=365)
RENEWAL = timedelta(days=30)
"""How long before its end a certificate is renewed; the alarm begins at the same time."""


@step("nginx demo of {cluster.name}")
def ensure_demo(cluster: Cluster) -> Ensured[str]:
    """Run the article's nginx and fetch its page by the public address. Returns: the page."""
    manifests = demo.parse_manifests(demo_manifest())
    return demo.ensure_demo(cluster.api(), manifests, cluster.clock)


@step("kube-ui of {cluster.name}")
def install_ui(cluster: Cluster, master: Instance) -> Ensured[None]:
    """Run the UI's installer on the master, with a certificate of the cluster's own CA.

    One that is still valid for these addresses is kept.
    """
    endpoints, ca, now = cluster.endpoints(), cluster.credentials().ca, datetime.now(UTC)
    names = (endpoints.public_address, endpoints.balancer_ip)
    with open_shell(cluster, master) as shell:
        install.upload_installers(shell, installer_files())
        kube_ui.ensure_ui_certificate(
            shell,
            ca.certificate,
            names,
            now + RENEWAL,
            lambda: make_server_certificate(ca, names, now, UI_CERTIFICATE_VALIDITY),
        )
        settings = kube_ui.ui_settings(UI_NODE_PORT)
        changed = install.run_installer(
            shell, "kube_ui_installer.sh", [], settings, report_progress
        )
    return Ensured(None, "installed" if changed else "kept")


@step("kube-ui of {cluster.name} answers")
def wait_for_ui(cluster: Cluster) -> Ensured[str]:
    url, ca = cluster.endpoints().ui_url, cluster.credentials().ca.certificate
    wait_for(lambda: fetch_page(url, ca) or None, what=f"kube-ui at {url}", clock=cluster.clock)
    return Ensured(url, f"answers at {url}")


def ui_must_be_installed(cluster: Cluster) -> bool:
    """Whether the UI has no running replica, or needs another certificate."""
    deployment = cluster.api().read("Deployment", UI_DEPLOYMENT, SYSTEM)
    runs = bool(deployment and deployment.get("status", {}).get("readyReplicas"))
    return not runs or _expires(cluster)


def _expires(cluster: Cluster) -> bool:
    """Whether the UI needs a new certificate: it ends soon, or is not for this address.

    Returns:
        False for a UI that does not answer.
    """
    ca = cluster.credentials().ca.certificate
    try:
        return read_certificate_end(cluster.endpoints().ui_url, ca) - datetime.now(UTC) < RENEWAL
    except Refused:
        return True
    except TemporaryError:
        return False


def ui_answers(cluster: Cluster) -> bool:
    """Whether the UI serves its page, with a certificate of the cluster's CA."""
    try:
        return bool(fetch_page(cluster.endpoints().ui_url, cluster.credentials().ca.certificate))
    except ClusterError:
        return False


def create_ui_token(cluster: Cluster) -> str:
    """Create a token for the UI that is read-only and valid for eight hours."""
    return cluster.api().create_token(SYSTEM, UI_ACCOUNT, UI_TOKEN_SECONDS)

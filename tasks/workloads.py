"""Tasks around what runs in a cluster: the nginx demo, and the web UI as a user meets it."""

from datetime import UTC, datetime, timedelta

from blocks.accounts import QingCloudAccount
from clients.certificates import read_certificate_end
from clients.web import fetch_page
from domain.cluster import demo
from domain.cluster.api import SYSTEM
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, Refused, TemporaryError
from domain.kernel.waiting import wait_for
from tasks.control_plane import open_api
from tasks.credentials import read_credentials
from tasks.installers import demo_manifest
from tasks.steps import step

UI_DEPLOYMENT = "kube-ui"
UI_ACCOUNT = "kube-ui-viewer"
UI_TOKEN_SECONDS = 8 * 3600
RENEWAL = timedelta(days=30)
"""How long before its end a certificate is renewed: from there on the alarm warns of it."""


@step("nginx demo of {cluster}")
def ensure_demo(account: QingCloudAccount, cluster: str, url: str) -> Ensured[str]:
    """Run the article's nginx and fetch its page by the public address; the value is the page."""
    with open_api(account, cluster, url) as api:
        return demo.ensure_demo(api, demo.parse_manifests(demo_manifest()))


@step("kube-ui of {cluster} answers")
def wait_for_ui(account: QingCloudAccount, cluster: str, url: str) -> Ensured[str]:
    ca = read_credentials(account, cluster).ca_certificate
    wait_for(lambda: fetch_page(url, ca) or None, what=f"kube-ui at {url}")
    return Ensured(url, f"answers at {url}")


def ui_installed(account: QingCloudAccount, cluster: str, url: str) -> bool:
    """Whether the UI has a replica that runs."""
    with open_api(account, cluster, url) as api:
        deployment = api.read("Deployment", UI_DEPLOYMENT, SYSTEM)
    return bool(deployment and deployment.get("status", {}).get("readyReplicas"))


def ui_expires(account: QingCloudAccount, cluster: str, url: str) -> bool:
    """Whether the UI needs a new certificate: it ends soon, or is not for this address.

    A UI that does not answer is another matter.
    """
    ca = read_credentials(account, cluster).ca_certificate
    try:
        return read_certificate_end(url, ca) - datetime.now(UTC) < RENEWAL
    except Refused:
        return True
    except TemporaryError:
        return False


def ui_answers(account: QingCloudAccount, cluster: str, url: str) -> bool:
    """Whether the UI's page comes, with a certificate of the cluster's CA."""
    try:
        return bool(fetch_page(url, read_credentials(account, cluster).ca_certificate))
    except ClusterError:
        return False


def create_ui_token(account: QingCloudAccount, cluster: str, url: str) -> str:
    """Mint a token for the UI that may only look, and only for eight hours."""
    with open_api(account, cluster, url) as api:
        return api.create_token(SYSTEM, UI_ACCOUNT, UI_TOKEN_SECONDS)

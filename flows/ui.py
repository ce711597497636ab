"""Install and publish the web UI of a cluster: `python -m flows.ui`."""

from dataclasses import dataclass, field

from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.node.install import ApiPlace
from domain.spec.cluster import ClusterSpec
from flows._command import Common, cluster_name, make_app, run, session
from flows._nodes import entrance_to, login_users, place_of
from tasks.control_plane import api_url
from tasks.machines import install_ui
from tasks.overview import check, need_cluster, spec_or_guess, with_sources
from tasks.shells import Entrance
from tasks.workloads import create_ui_token, ui_expires, ui_installed, wait_for_ui


@dataclass(frozen=True, slots=True)
class UiReport:
    """Where the UI is, and the token to log in with: it may look, for eight hours."""

    cluster: str
    url: str
    token: str = field(repr=False)


def publish_ui(
    account: QingCloudAccount, spec: ClusterSpec, entrance: Entrance, place: ApiPlace
) -> str:
    """Install the UI where it does not run yet, and see that it answers; returns its URL.

    So is its certificate renewed, when it is about to end.
    """
    api, url = (
        api_url(place.public_address, port) for port in (spec.access.api_port, spec.access.ui_port)
    )
    if not ui_installed(account, spec.name, api) or ui_expires(account, spec.name, url):
        install_ui(account, entrance, place)
    return wait_for_ui(account, spec.name, url)


@flow(name="ui", flow_run_name="ui {name}")
def ui(account: QingCloudAccount, name: str = "demo") -> str:
    """Install kube-ui through its script on the master, and publish it over HTTPS.

    Args:
        account: The account that the cluster is in.
        name: The cluster's name.
    """
    view = need_cluster(account, name)
    spec = with_sources(account, spec_or_guess(account, view))
    users = login_users(check(account, spec, view))
    entrance = entrance_to(spec, view, view.public_address, users)
    return publish_ui(account, spec, entrance, place_of(view))


app = make_app("ui", "Install and publish kube-ui (Headlamp); print a read-only token.")


@app.default
def main(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """Install the web UI, say where it is, and mint a token that may look at everything."""
    name = cluster_name(common)
    with session(common) as opened:
        url = ui(opened.account, name)
        # Minted here and not in the flow: what a flow returns may be stored.
        view = need_cluster(opened.account, name)
        port = spec_or_guess(opened.account, view).access.api_port
        token = create_ui_token(opened.account, name, api_url(view.public_address, port))
    opened.say(f"kube-ui answers at {url}\nLog in with this token, valid for 8 hours:\n{token}")
    opened.answer(UiReport(name, url, token))


if __name__ == "__main__":
    run(app)

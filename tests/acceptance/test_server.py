"""The Prefect server that commands find: the kinds of blocks in its UI."""

import json
from urllib.request import Request, urlopen

from tests.acceptance.workplace import Workplace

OURS = {"qingcloud-account", "cluster-credentials", "monitoring-database", "dingtalk-robot"}


def kinds(api_url: str) -> set[str]:
    """The kinds of blocks that the UI has a form for."""
    question = Request(f"{api_url}/block_types/filter", data=b"{}", method="POST")
    with urlopen(question, timeout=30) as reply:
        return {kind["slug"] for kind in json.load(reply)}


def test_an_account_can_be_entered_in_the_ui_of_a_server_that_is_up(workplace: Workplace) -> None:
    url = workplace.environment["PREFECT_API_URL"]
    done = workplace.run("deployments.server", "up")
    assert done.code == 0, done.err
    assert done.err == f"Prefect UI: {url.removesuffix('/api')}, from PREFECT_API_URL\n"
    assert kinds(url) >= OURS

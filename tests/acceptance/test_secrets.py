"""No secret reaches what the Prefect server shows: parameters, logs, artifacts, names."""

import json
import re
from typing import Any

import httpx

from tests.acceptance.workplace import Workplace

JOIN_TOKEN = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b")


def everything(api: httpx.Client, what: str) -> str:
    """All objects of a kind, as text."""
    pages: list[Any] = []
    while True:
        page = api.post(f"/{what}/filter", json={"limit": 200, "offset": len(pages)}).json()
        pages += page
        if len(page) < 200:
            return json.dumps(pages)


def all_events(api: httpx.Client) -> str:
    """Every event about our clusters, as text."""
    wanted = {"filter": {"event": {"prefix": ["k8s-qingcloud."]}}, "limit": 50}
    page = api.post("/events/filter", json=wanted).json()
    found = list(page["events"])
    while page["next_page"]:
        page = api.get(page["next_page"]).json()
        found += page["events"]
    return json.dumps(found)


def test_no_data_stored_by_prefect_holds_a_secret(cluster: Workplace) -> None:
    account = cluster.run("localcloud", "env", "--json").json
    assert cluster.run("deployments.register", **account).code == 0
    url, auth = (cluster.environment[f"PREFECT_API_{name}"] for name in ("URL", "AUTH_STRING"))
    with httpx.Client(base_url=url, auth=httpx.BasicAuth(*auth.split(":")), timeout=30) as api:
        blocks = api.post("/block_documents/filter", json={"include_secrets": True}).json()
        credentials = next(
            block["data"]
            for block in blocks
            if block["block_type"]["slug"] == "cluster-credentials"
        )
        secrets = {
            "CA key": credentials["ca_key"].splitlines()[1],
            "SSH key": credentials["ssh_private_key"].splitlines()[3],
            "server's auth string": auth,
            "account's secret": account["QINGCLOUD_SECRET_ACCESS_KEY"],
        }
        shown = {
            what: everything(api, what)
            for what in (
                "flow_runs",
                "task_runs",
                "logs",
                "artifacts",
                "deployments",
                "automations",
            )
        }
        shown["events"] = all_events(api)
    assert "k8s-qingcloud.machine.added" in shown["events"]
    assert "flows.scale.scale" in shown["deployments"]
    assert "provision" in shown["flow_runs"]
    assert len(shown["logs"]) > 1000
    for what, text in shown.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} in {what}"
        assert not JOIN_TOKEN.search(text), f"a join token in {what}"
    assert cluster.run("deployments.register", "--remove").code == 0

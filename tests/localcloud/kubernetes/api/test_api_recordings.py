"""The same requests as were once sent to a real 1.36 API server get the same kind of answers.

The exchanges stand in `recordings-1.36.jsonl`, in the order in which they are replayed here;
column descriptions and managedFields were left out.
"""

import json
import ssl
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

RECORDINGS = {
    entry["name"]: entry
    for line in Path(__file__).with_name("recordings-1.36.jsonl").read_text().splitlines()
    for entry in [json.loads(line)]
}
TABLES = [name for name, entry in RECORDINGS.items() if "as=Table" in entry["accept"]]
TABLES = [name for name in TABLES if RECORDINGS[name]["status"] == 200]
VOLATILE = {"creationTimestamp", "resourceVersion", "uid", "clusterIP", "clusterIPs"}
# The recorded server ran without the ServiceAccount admission that clusters have.
ADMITTED = {"serviceAccount", "serviceAccountName"}


@pytest.fixture(scope="module")
def send(server):
    """Sends a recorded request; returns the status and the decoded body."""
    pair = server.authority.issue("admin", "kubeadm:cluster-admins")
    chain, ca = server.folder / "admin.pem", server.folder / "authority.crt"
    chain.write_bytes(pair.key + pair.certificate)
    ca.write_bytes(server.authority.pair.certificate)
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(chain)
    connection = HTTPSConnection(urlsplit(server.url).netloc, context=context, timeout=10)

    def replay(name, path=""):
        entry = RECORDINGS[name]
        body = entry["body"]
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        headers = {"Accept": entry["accept"], "Content-Type": entry["content_type"]}
        headers = {key: value for key, value in headers.items() if value}
        connection.request(entry["method"], path or entry["path"], text, headers)
        reply = connection.getresponse()
        content = reply.read()
        is_json = reply.headers["content-type"].startswith("application/json")
        return reply.status, json.loads(content) if is_json else content.decode()

    yield replay
    connection.close()


def lasting(value):
    """A body without what differs from run to run."""
    if isinstance(value, dict):
        skipped = VOLATILE | ADMITTED
        return {key: lasting(item) for key, item in value.items() if key not in skipped}
    return [lasting(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def seeded(server, send):
    """What the recorded server held when the errors were provoked."""
    server.call("POST", "/api/v1/nodes", body={"metadata": {"name": "192.168.100.3"}})
    return {
        name: send(name)
        for name in ("create-rc", "create-service", "run-pod", "create-config-map", "create-pdb")
    }


@pytest.mark.parametrize(
    "name", ["create-rc", "create-service", "run-pod", "create-config-map", "create-pdb"]
)
def test_created_objects_have_the_recorded_defaults(seeded, name):
    status, body = seeded[name]
    assert status == RECORDINGS[name]["status"]
    assert lasting(body) == lasting(RECORDINGS[name]["reply"])


@pytest.mark.parametrize(
    "name",
    [
        "invalid-pod", "unknown-field-selector", "stale-put", "missing-pod", "rc-exists",
        "missing-deployment",
    ],
)  # fmt: skip
def test_refusals_are_worded_as_recorded(seeded, send, name):
    status, body = send(name)
    assert (status, body) == (RECORDINGS[name]["status"], RECORDINGS[name]["reply"])


@pytest.mark.parametrize("name", ["bad-json", "bad-continue-token"])
def test_refusals_of_unreadable_input_begin_as_recorded(seeded, send, name):
    status, body = send(name)
    recorded = RECORDINGS[name]["reply"]
    assert (status, body["reason"]) == (RECORDINGS[name]["status"], recorded["reason"])
    assert body["message"][:32] == recorded["message"][:32]


def test_scaling_answers_with_a_scale(seeded, send):
    status, body = send("scale-rc")
    recorded = lasting(RECORDINGS["scale-rc"]["reply"])
    recorded["status"]["replicas"] = 0  # nobody runs pods here
    assert (status, lasting(body)) == (200, recorded)


def test_a_deleted_object_is_told_by_a_status(seeded, send):
    status, body = send("delete-pdb")
    recorded = RECORDINGS["delete-pdb"]["reply"]
    assert status == 200
    assert lasting(body) == lasting(recorded)


def test_health_is_plain_text(send):
    assert send("healthz") == (200, "ok")


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_recorded_columns(seeded, send, name):
    def columns(table):
        kept = ("name", "type", "format", "priority")
        return [tuple(column[key] for key in kept) for column in table["columnDefinitions"]]

    status, table = send(name)
    assert status == 200
    assert columns(table) == columns(RECORDINGS[name]["reply"])
    for row in table["rows"]:
        assert len(row["cells"]) == len(table["columnDefinitions"])

"""TLS, readiness, and what becomes of each kind of failure."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.kubernetes import ClusterClient
from domain.kernel.errors import ApiRejected, ClusterError, InvalidSpec, NotFound, TemporaryError
from domain.secrets.kubeconfig import ClusterAccess
from domain.secrets.pki import make_cluster_ca
from tests.clients.kubernetes.canned_apiserver import Answer, Apiserver


def make_answer(status: int, body: Any, content_type: str = "application/json") -> Answer:
    return Answer(status, body, content_type)


def test_client_certificate_identifies_the_user(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    cluster.is_ready()
    assert apiserver.requests[0].user == "kubernetes-admin of kubeadm:cluster-admins"


def test_certificate_of_another_cluster_is_a_final_error(access: ClusterAccess) -> None:
    other = make_cluster_ca(datetime.now(UTC))
    with ClusterClient(replace(access, ca=other.certificate)) as cluster:
        with pytest.raises(ApiRejected, match="not this cluster's") as caught:
            cluster.read_version()
        assert caught.value.status == 0
        with pytest.raises(ApiRejected):
            cluster.is_ready()


def test_a_certificate_for_another_address_is_refused(access: ClusterAccess) -> None:
    named = replace(access, server=access.server.replace("127.0.0.1", "localhost"))
    with ClusterClient(named) as cluster, pytest.raises(ApiRejected, match="not this cluster's"):
        cluster.read_version()


def test_invalid_certificates_are_an_invalid_spec(access: ClusterAccess) -> None:
    with pytest.raises(InvalidSpec, match="cannot be used") as caught:
        ClusterClient(replace(access, key="-----BEGIN SECRET-----"))
    assert "SECRET" not in str(caught.value)


def test_proxy_of_the_environment_is_not_used_for_loopback(
    access: ClusterAccess, apiserver: Apiserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    apiserver.answer("GET", "/readyz", make_answer(200, "ok", "text/plain"))
    with ClusterClient(access) as cluster:
        assert cluster.is_ready()


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [
        pytest.param(200, "ok", True, id="ready"),
        pytest.param(500, "[-]etcd failed", False, id="not-yet"),
        pytest.param(403, {"kind": "Status", "reason": "Forbidden"}, False, id="no-roles-yet"),
        pytest.param(404, "", False, id="something-else-answers"),
    ],
)
def test_readiness_is_that_of_readyz(
    apiserver: Apiserver, cluster: ClusterClient, status: int, body: Any, ready: bool
) -> None:
    apiserver.answer("GET", "/readyz", make_answer(status, body))
    assert cluster.is_ready() is ready


def test_server_that_does_not_answer_is_not_ready(access: ClusterAccess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with ClusterClient(replace(access, server=f"https://127.0.0.1:{port}")) as cluster:
        assert not cluster.is_ready()
        with pytest.raises(TemporaryError, match="does not answer yet"):
            cluster.list_nodes()


def test_a_server_that_hangs_up_is_not_ready(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.hangs_up = True
    assert not cluster.is_ready()


def test_refused_client_certificate_is_a_final_error(
    apiserver: Apiserver, cluster: ClusterClient
) -> None:
    unauthorised = {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}
    apiserver.answer("GET", "/readyz", make_answer(401, unauthorised))
    with pytest.raises(ApiRejected):
        cluster.is_ready()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ApiRejected),
        (401, ApiRejected),
        (403, ApiRejected),
        (404, NotFound),
        (409, ApiRejected),
        (422, ApiRejected),
        (429, TemporaryError),
        (500, TemporaryError),
        (502, TemporaryError),
        (503, TemporaryError),
        (504, TemporaryError),
    ],
)
def test_every_status_is_temporary_or_final(
    apiserver: Apiserver, cluster: ClusterClient, status: int, error: type[ClusterError]
) -> None:
    body = {"kind": "Status", "reason": "Word", "message": "a sentence"}
    apiserver.answer("GET", "/version", make_answer(status, body))
    with pytest.raises(error, match="GET /version: a sentence") as caught:
        cluster.read_version()
    assert type(caught.value) is error


def test_a_read_is_repeated_while_its_error_may_pass_and_a_change_is_not(
    apiserver: Apiserver, access: ClusterAccess
) -> None:
    busy = make_answer(503, {"kind": "Status", "message": "etcd leader changed"})
    with ClusterClient(access, read_pauses=(0.0, 0.0)) as cluster:
        apiserver.answer("GET", "/version", busy, busy, make_answer(200, {"gitVersion": "v1.36.4"}))
        assert cluster.read_version() == "v1.36.4"
        apiserver.answer("GET", "/version", busy)
        with pytest.raises(TemporaryError, match="etcd leader changed"):
            cluster.read_version()
        assert len(apiserver.requests) == 6
        apiserver.answer("DELETE", "/api/v1/nodes/one", busy)
        with pytest.raises(TemporaryError):
            cluster.delete("Node", "one")
        assert len(apiserver.changes) == 1


def test_answer_that_is_not_json_is_temporary(apiserver: Apiserver, cluster: ClusterClient) -> None:
    apiserver.answer("GET", "/version", make_answer(200, "<html>log in first</html>", "text/html"))
    with pytest.raises(TemporaryError, match="is not JSON"):
        cluster.read_version()


def test_the_private_key_never_shows(access: ClusterAccess) -> None:
    assert "PRIVATE KEY" not in repr(access)

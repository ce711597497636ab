"""One canned API server per test, and a client that it accepts."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.kubernetes import ClusterClient
from domain.secrets.kubeconfig import ClusterAccess
from domain.secrets.pki import ADMINS, CertifiedKey, make_client_certificate, make_cluster_ca
from tests.clients.kubernetes.canned_apiserver import DAY, NOW, Apiserver


@pytest.fixture(scope="session")
def ca() -> CertifiedKey:
    return make_cluster_ca(NOW)


@pytest.fixture
def apiserver(ca: CertifiedKey, tmp_path: Path) -> Iterator[Apiserver]:
    with Apiserver(ca, tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture
def access(apiserver: Apiserver, ca: CertifiedKey) -> ClusterAccess:
    admin = make_client_certificate(ca, "kubernetes-admin", ADMINS, NOW, DAY)
    return ClusterAccess(apiserver.url, ca.certificate, admin.certificate, admin.key)


@pytest.fixture
def cluster(access: ClusterAccess) -> Iterator[ClusterClient]:
    with ClusterClient(access, read_pauses=()) as client:
        yield client

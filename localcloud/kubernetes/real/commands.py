"""Command lines and configuration files of the programs of a control plane.

Everything here is computed from a layout; nothing is started or written.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.kubernetes.real.assets import Assets

LOOPBACK = "127.0.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"

Command = list[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder, loopback ports and network address of one control plane."""

    folder: Path
    egress_socket: Path  # elsewhere: the kernel limits it to about a hundred characters
    etcd_port: int
    peer_port: int
    api_port: int
    address: str  # of the master machine, in the private network
    pod_cidr: str
    service_cidr: str
    node_cidr_mask: int

    def file(self, name: str) -> str:
        return str(self.folder / name)

    @property
    def etcd_url(self) -> str:
        return f"http://{LOOPBACK}:{self.etcd_port}"


def etcd_command(assets: Assets, layout: Layout) -> Command:
    peer = f"http://{LOOPBACK}:{layout.peer_port}"
    return [
        assets.program("etcd"),
        "--name=default",
        f"--data-dir={layout.file('etcd')}",
        f"--listen-client-urls={layout.etcd_url}",
        f"--advertise-client-urls={layout.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # A cloud on one machine outlives its processes, not a power failure.
        "--unsafe-no-fsync=true",
        "--log-level=warn",
    ]


def apiserver_command(assets: Assets, layout: Layout) -> Command:
    return [
        assets.program("kube-apiserver"),
        f"--etcd-servers={layout.etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={layout.api_port}",
        f"--advertise-address={layout.address}",
        # It would publish its loopback port; nodes use another one.
        "--endpoint-reconciler-type=none",
        f"--cert-dir={layout.file('certificates')}",
        f"--tls-cert-file={layout.file('apiserver.crt')}",
        f"--tls-private-key-file={layout.file('apiserver.key')}",
        f"--client-ca-file={layout.file('ca.crt')}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.file('service-accounts.key')}",
        f"--service-account-signing-key-file={layout.file('service-accounts.key')}",
        f"--service-cluster-ip-range={layout.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--enable-bootstrap-token-auth=true",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",
        f"--egress-selector-config-file={layout.file('egress.yaml')}",
        "--profiling=false",
    ]


def controller_manager_command(assets: Assets, layout: Layout) -> Command:
    return [
        assets.program("kube-controller-manager"),
        f"--kubeconfig={layout.file('controller-manager.conf')}",
        "--leader-elect=false",
        "--secure-port=0",
        # Each controller works with the rights of its own ServiceAccount; the manager has few.
        "--use-service-account-credentials=true",
        # The last two are kubeadm's: they sign cluster-info and delete join tokens.
        "--controllers=*,bootstrapsigner,tokencleaner",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={layout.pod_cidr}",
        f"--node-cidr-mask-size={layout.node_cidr_mask}",
        f"--service-cluster-ip-range={layout.service_cidr}",
        f"--root-ca-file={layout.file('ca.crt')}",
        f"--cluster-signing-cert-file={layout.file('ca.crt')}",
        f"--cluster-signing-key-file={layout.file('ca.key')}",
        f"--service-account-private-key-file={layout.file('service-accounts.key')}",
        "--profiling=false",
    ]


def scheduler_command(assets: Assets, layout: Layout) -> Command:
    return [
        assets.program("kube-scheduler"),
        f"--kubeconfig={layout.file('scheduler.conf')}",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]


def egress_config(layout: Layout) -> str:
    """Route the API server's connections to pods and kubelets to our socket (JSON is YAML)."""
    connection = {
        "proxyProtocol": "HTTPConnect",
        "transport": {"uds": {"udsName": str(layout.egress_socket)}},
    }
    return json.dumps(
        {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        },
        indent=1,
    )


def kubeconfig(layout: Layout, ca: bytes, certificate: bytes, key: bytes) -> str:
    """Return a kubeconfig for a local program; the certificate has the private address."""

    def text(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    cluster: dict[str, Any] = {
        "server": f"https://{LOOPBACK}:{layout.api_port}",
        "tls-server-name": layout.address,
        "certificate-authority-data": text(ca),
    }
    user = {"client-certificate-data": text(certificate), "client-key-data": text(key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": "local", "user": user}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
            "current-context": "local",
        },
        indent=1,
    )

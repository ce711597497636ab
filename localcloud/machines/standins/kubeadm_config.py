"""kubeadm's configuration file, read as strictly as kubeadm reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from localcloud.machines.standins.call import Failed

API_VERSION = "kubeadm.k8s.io/v1beta4"
DEFAULT_REPOSITORY = "registry.k8s.io"
DEFAULT_VERSION = "v1.36.4"

# The fields of each kind that kubeadm knows; only some have an effect here.
_REGISTRATION = {
    "name", "criSocket", "imagePullPolicy", "imagePullSerial", "ignorePreflightErrors",
    "kubeletExtraArgs", "taints",
}  # fmt: skip
_FIELDS: Mapping[str, set[str]] = {
    "InitConfiguration": {
        "bootstrapTokens", "certificateKey", "dryRun", "localAPIEndpoint", "nodeRegistration",
        "patches", "skipPhases", "timeouts",
    },
    "ClusterConfiguration": {
        "apiServer", "caCertificateValidityPeriod", "certificateValidityPeriod",
        "certificatesDir", "clusterName", "controlPlaneEndpoint", "controllerManager", "dns",
        "encryptionAlgorithm", "etcd", "featureGates", "imageRepository", "kubernetesVersion",
        "networking", "proxy", "scheduler",
    },
    "JoinConfiguration": {
        "caCertPath", "controlPlane", "discovery", "dryRun", "nodeRegistration", "patches",
        "skipPhases", "timeouts",
    },
}  # fmt: skip
_COMPONENTS = {
    "KubeletConfiguration": "kubelet.config.k8s.io/v1beta1",
    "KubeProxyConfiguration": "kubeproxy.config.k8s.io/v1alpha1",
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of a node."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Document, ...] | None  # None: kubeadm's default


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """The ClusterConfiguration with its defaults, and the components' own documents."""

    name: str = "kubernetes"
    version: str = DEFAULT_VERSION
    endpoint: str = ""
    repository: str = DEFAULT_REPOSITORY
    pod_cidr: str = ""
    service_cidr: str = "10.96.0.0/12"
    server_names: tuple[str, ...] = ()
    document: Document = field(default_factory=dict)
    kubelet: Document = field(default_factory=dict)

    @property
    def max_pods(self) -> int:
        return int(self.kubelet.get("maxPods", 110))

    @property
    def node_cidr_mask(self) -> int:
        manager = self.document.get("controllerManager") or {}
        arguments = {one["name"]: one["value"] for one in manager.get("extraArgs") or ()}
        return int(arguments.get("node-cidr-mask-size", 24))


@dataclass(frozen=True, slots=True)
class InitSettings:
    """The settings of `kubeadm init`; a token is (token, ttl as written)."""

    registration: Registration
    address: str
    tokens: tuple[tuple[str, str], ...]
    cluster: ClusterSettings


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """The settings of `kubeadm join`."""

    registration: Registration
    endpoint: str
    token: str
    ca_hashes: tuple[str, ...]
    skips_verification: bool


def read_documents(text: str) -> dict[str, Document]:
    """Read all documents of a file by kind.

    Raises:
        Failed: kubeadm would refuse the file; with its message.
    """
    try:
        loaded = [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError as error:
        raise Failed(f"error converting YAML to JSON: yaml: {error}") from error
    documents: dict[str, Document] = {}
    for document in loaded:
        kind, version = document.get("kind", ""), document.get("apiVersion", "")
        _check_version(kind, version)
        if kind in _FIELDS:
            _check_fields(kind, document)
        documents[kind] = document
    return documents


def _check_version(kind: str, version: str) -> None:
    if kind in _FIELDS and version == API_VERSION:
        return
    if _COMPONENTS.get(kind) == version:
        return
    if version.startswith("kubeadm.k8s.io/"):
        raise Failed(f'no kind "{kind}" is registered for version "{version}" in scheme')
    raise Failed(f"invalid configuration: kind and apiVersion is mandatory information ({kind})")


def _check_fields(kind: str, document: Document) -> None:
    unknown = set(document) - _FIELDS[kind] - {"apiVersion", "kind"}
    if unknown:
        raise _strict(kind, f'unknown field "{min(unknown)}"')
    registration = document.get("nodeRegistration") or {}
    if strange := set(registration) - _REGISTRATION:
        raise _strict(kind, f'unknown field "nodeRegistration.{min(strange)}"')
    lists = [("nodeRegistration.kubeletExtraArgs", registration.get("kubeletExtraArgs"))]
    for component in ("apiServer", "controllerManager", "scheduler"):
        part = document.get(component) or {}
        lists.append((f"{component}.extraArgs", part.get("extraArgs")))
    for path, value in lists:
        if value is not None and not isinstance(value, list):
            raise _strict(
                kind,
                f"json: cannot unmarshal object into Go struct field {path} of type []v1beta4.Arg",
            )


def _strict(kind: str, what: str) -> Failed:
    return Failed(
        f'error unmarshaling configuration schema.GroupVersionKind{{Group:"kubeadm.k8s.io", '
        f'Version:"v1beta4", Kind:"{kind}"}}: strict decoding error: {what}'
    )


def read_cluster(documents: Mapping[str, Document]) -> ClusterSettings:
    """Read the cluster settings."""
    document = documents.get("ClusterConfiguration", {})
    networking = document.get("networking") or {}
    return ClusterSettings(
        name=document.get("clusterName", "kubernetes"),
        version=document.get("kubernetesVersion", DEFAULT_VERSION),
        endpoint=document.get("controlPlaneEndpoint", ""),
        repository=document.get("imageRepository", DEFAULT_REPOSITORY),
        pod_cidr=networking.get("podSubnet", ""),
        service_cidr=networking.get("serviceSubnet", "10.96.0.0/12"),
        server_names=tuple((document.get("apiServer") or {}).get("certSANs") or ()),
        document=document,
        kubelet=documents.get("KubeletConfiguration", {}),
    )


def read_init(documents: Mapping[str, Document], hostname: str, address: str) -> InitSettings:
    """Read an init file; name and address default to the machine's."""
    document = documents.get("InitConfiguration", {})
    local = document.get("localAPIEndpoint") or {}
    tokens = tuple(
        (str(one["token"]), str(one.get("ttl", "24h0m0s")))
        for one in document.get("bootstrapTokens") or ()
    )
    return InitSettings(
        registration=_registration(document, hostname),
        address=local.get("advertiseAddress", address),
        tokens=tokens,
        cluster=read_cluster(documents),
    )


def read_join(documents: Mapping[str, Document], hostname: str) -> JoinSettings:
    """Read a join file.

    Raises:
        Failed: it does not define how to find and trust the cluster.
    """
    document = documents.get("JoinConfiguration", {})
    bootstrap = (document.get("discovery") or {}).get("bootstrapToken")
    if not bootstrap:
        raise Failed('discovery: Invalid value: "": bootstrapToken or file must be set', 3)
    if document.get("controlPlane"):
        raise Failed("the local cloud does not join further masters yet", 2)
    return JoinSettings(
        registration=_registration(document, hostname),
        endpoint=bootstrap.get("apiServerEndpoint", ""),
        token=bootstrap.get("token", ""),
        ca_hashes=tuple(bootstrap.get("caCertHashes") or ()),
        skips_verification=bool(bootstrap.get("unsafeSkipCAVerification")),
    )


def _registration(document: Document, hostname: str) -> Registration:
    given = document.get("nodeRegistration") or {}
    arguments = {one["name"]: str(one["value"]) for one in given.get("kubeletExtraArgs") or ()}
    labels = dict(
        entry.split("=", 1) for entry in arguments.get("node-labels", "").split(",") if entry
    )
    taints = given.get("taints")
    return Registration(
        name=given.get("name", hostname).lower(),
        labels=labels,
        taints=None if taints is None else tuple(taints),
    )

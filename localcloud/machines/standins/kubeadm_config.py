"""kubeadm's configuration file, read as strictly as kubeadm reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import yaml

from localcloud import pki
from localcloud.machines.standins.call import Failed
from localcloud.machines.standins.kubeadm_versions import DEFAULT_REPOSITORY

API_VERSION = "kubeadm.k8s.io/v1beta4"
DEFAULT_VERSION = "v1.36.4"

_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_DURATION = re.compile(r"(\d+)(h|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds"}

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
    def certificate_validity(self) -> timedelta:
        given = self.document.get("certificateValidityPeriod")
        return duration(given) if given else pki.LEAF_VALIDITY

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
    certificate_key: str = ""


@dataclass(frozen=True, slots=True)
class ControlPlaneJoin:
    """What `kubeadm join` wants to know of a further master."""

    address: str
    certificate_key: str


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """The settings of `kubeadm join`; `discovery` is its patience with a cluster's answer."""

    registration: Registration
    endpoint: str
    token: str
    ca_hashes: tuple[str, ...]
    skips_verification: bool
    discovery: timedelta
    control_plane: ControlPlaneJoin | None = None


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
            _check_tokens(kind, document)
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


def _check_tokens(kind: str, document: Document) -> None:
    """Refuse a token of another form, which is known while the file is read."""
    for one in document.get("bootstrapTokens") or ():
        token = str(one.get("token", ""))
        if not _TOKEN.fullmatch(token):
            raise _unreadable(
                kind,
                f'the bootstrap token "{token}" was not of the form '
                '"\\\\A([a-z0-9]{6})\\\\.([a-z0-9]{16})\\\\z"',
            )


def _strict(kind: str, what: str) -> Failed:
    return _unreadable(kind, f"strict decoding error: {what}")


def _unreadable(kind: str, what: str) -> Failed:
    return Failed(
        f'error unmarshaling configuration schema.GroupVersionKind{{Group:"kubeadm.k8s.io", '
        f'Version:"v1beta4", Kind:"{kind}"}}: {what}'
    )


def duration(text: str) -> timedelta:
    """Read a duration such as `2h0m0s`."""
    parts: dict[str, Any] = {_UNITS[unit]: int(n) for n, unit in _DURATION.findall(text)}
    return timedelta(**parts)


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
        certificate_key=document.get("certificateKey", ""),
    )


def read_join(documents: Mapping[str, Document], hostname: str, address: str) -> JoinSettings:
    """Read a join file; name and address default to the machine's.

    Raises:
        Failed: it does not define how to find and trust the cluster.
    """
    document = documents.get("JoinConfiguration", {})
    bootstrap = (document.get("discovery") or {}).get("bootstrapToken")
    if not bootstrap:
        raise Failed('discovery: Invalid value: "": bootstrapToken or file must be set')
    timeouts = document.get("timeouts") or {}
    settings = JoinSettings(
        registration=_registration(document, hostname),
        endpoint=bootstrap.get("apiServerEndpoint", ""),
        token=bootstrap.get("token", ""),
        ca_hashes=tuple(bootstrap.get("caCertHashes") or ()),
        skips_verification=bool(bootstrap.get("unsafeSkipCAVerification")),
        discovery=duration(str(timeouts.get("discovery", "5m0s"))),
        control_plane=_control_plane(document, address),
    )
    if not settings.ca_hashes and not settings.skips_verification:
        raise Failed(
            'discovery.bootstrapToken: Invalid value: "": using token-based discovery without '
            "caCertHashes can be unsafe. Set unsafeSkipCAVerification as true in your kubeadm "
            "config file to continue"
        )
    return settings


def _control_plane(document: Document, address: str) -> ControlPlaneJoin | None:
    if "controlPlane" not in document:
        return None
    given = document["controlPlane"] or {}
    local = given.get("localAPIEndpoint") or {}
    return ControlPlaneJoin(
        local.get("advertiseAddress", address), str(given.get("certificateKey", ""))
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

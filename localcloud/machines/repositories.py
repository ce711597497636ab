"""Package repositories reachable from the private networks.

A short catalogue of the mirrors in public documentation; other hosts are unreachable. Names and
versions: reference of November 2026.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from localcloud.machines.systems import System

MIRROR_HOSTS = (
    "mirrors.aliyun.com",
    "mirrors.tuna.tsinghua.edu.cn",
    "pkgs.k8s.io",
    "download.docker.com",
)

KUBERNETES_SIGNER = "DE15B14486CD377B9E876E1A234654DA9A296436"
DOCKER_DEB_SIGNER = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
DOCKER_RPM_SIGNER = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"

ROGUE_SIGNER = "0BADC0DE" * 5

LATEST_PATCH = {"1.35": 9, "1.36": 4, "1.37": 1}  # by minor version of Kubernetes
_CONTAINERD = ("2.2.4", "2.3.1", "2.3.2")
_TOOL_VERSIONS = {"cri-tools": "{minor}.0", "kubernetes-cni": "1.9.1"}
_BASIC = (
    "ca-certificates", "chrony", "conntrack", "container-selinux", "curl", "ethtool", "gnupg",
    "gnupg2", "ipset", "iptables", "iptables-nft", "openssl", "socat", "tar", "wget",
)  # fmt: skip

PREINSTALLED = {
    "ubuntu": ("ca-certificates", "curl", "gnupg", "iptables", "openssl", "tar"),
    "debian": ("ca-certificates", "openssl", "tar"),
    "rocky": ("ca-certificates", "curl-minimal", "gnupg2", "openssl", "tar"),
}
DEPENDENCIES = {"kubeadm": ("cri-tools",), "kubelet": ("kubernetes-cni",)}

# Commands that exist only with their package.
COMMANDS = {
    "containerd.io": ("containerd", "ctr"),
    "cri-tools": ("crictl",),
    "curl": ("curl",),
    "curl-minimal": ("curl",),
    "ethtool": ("ethtool",),
    "gnupg": ("gpg",),
    "gnupg2": ("gpg",),
    "iptables": ("iptables",),
    "iptables-nft": ("iptables",),
    "kubeadm": ("kubeadm",),
    "kubectl": ("kubectl",),
    "kubelet": ("kubelet",),
    "wget": ("wget",),
}


class MirrorFault(Enum):
    """How a mirror fails: each form was seen on a public one."""

    WAF_PAGE = auto()  # a web page with the status 200 for every request
    FORBIDDEN = auto()  # 403
    MISSING = auto()  # 404
    LAGGING = auto()  # the newest patch of Kubernetes is not there yet
    HALF_SYNCHRONISED = auto()  # a new release file beside an old index
    UNREACHABLE = auto()  # no name, no route
    ROGUE = auto()  # a second key in the file of the signing key, which signs the indexes


@dataclass(frozen=True, slots=True)
class Page:
    """A file on a mirror."""

    text: str
    status: int = 200


def fetch(url: str, faults: Mapping[str, MirrorFault]) -> Page:
    """Return the answer of a mirror to a request for this URL.

    Args:
        faults: by host.

    Raises:
        LookupError: the host is unreachable.
    """
    host = urlsplit(url).hostname or ""
    if host not in MIRROR_HOSTS or faults.get(host) is MirrorFault.UNREACHABLE:
        raise LookupError(host)
    match faults.get(host):
        case MirrorFault.WAF_PAGE:
            return Page("<!DOCTYPE html><title>Please verify</title>\n")
        case MirrorFault.FORBIDDEN:
            return Page("<html><h1>403 Forbidden</h1></html>\n", 403)
        case MirrorFault.MISSING:
            return _NOT_FOUND
        case MirrorFault.ROGUE:
            keys = (*_signers_of(url), ROGUE_SIGNER)
        case _:
            keys = _signers_of(url)
    is_key = url.endswith(("/Release.key", "/repomd.xml.key", "/gpg"))
    return Page("".join(key_block(key) for key in keys)) if is_key and keys else _NOT_FOUND


_NOT_FOUND = Page("<html><h1>404 Not Found</h1></html>\n", 404)


def _signers_of(url: str) -> tuple[str, ...]:
    if _minor_of(url) in LATEST_PATCH:
        return (KUBERNETES_SIGNER,)
    if _is_docker(url):
        is_rpm = "/centos/" in url or "/rhel/" in url
        return (DOCKER_RPM_SIGNER if is_rpm else DOCKER_DEB_SIGNER,)
    return ()


def signer_of(source: str, faults: Mapping[str, MirrorFault]) -> str:
    """Return the fingerprint of the key that signs the index of a package source."""
    rogue = faults.get(urlsplit(source).hostname or "") is MirrorFault.ROGUE
    return ROGUE_SIGNER if rogue else _signers_of(source)[0]


def key_block(fingerprint: str) -> str:
    """Render a public key, which here is its fingerprint."""
    return (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
        f"Comment: stands for the key {fingerprint}\n"
        "-----END PGP PUBLIC KEY BLOCK-----\n"
    )


def keys_in(text: str) -> list[str]:
    """Return the fingerprints of the public keys in a text."""
    return re.findall(r"stands for the key ([0-9A-F]{40})", text)


def _minor_of(url: str) -> str:
    match = re.search(r"core(?::/stable:|/stable)/v(\d+\.\d+)/", url)
    return match[1] if match else ""


def _is_docker(url: str) -> bool:
    return "/docker-ce/" in url or urlsplit(url).hostname == "download.docker.com"


def is_reached(source: str, faults: Mapping[str, MirrorFault]) -> bool:
    """Return whether the host of a package source is reachable."""
    host = urlsplit(source).hostname or ""
    return host in MIRROR_HOSTS and faults.get(host) is not MirrorFault.UNREACHABLE


def is_served(source: str) -> bool:
    """Return whether a package source (its URL) can be read, where its host is reachable."""
    return _is_docker(source) or _minor_of(source) in LATEST_PATCH


def why_unreadable(source: str, faults: Mapping[str, MirrorFault]) -> str | None:
    """Return what apt-get prints about a source whose index cannot be read, or None."""
    base = f"The repository '{source}'"
    if not is_reached(source, faults):
        return f"Failed to fetch {source}InRelease  Could not resolve host"
    match faults.get(urlsplit(source).hostname or ""):
        case MirrorFault.WAF_PAGE:
            return (
                f"{base} is not signed.\nE: Failed to fetch {source}InRelease  Clearsigned file "
                "isn't valid, got 'NOSPLIT' (does the network require authentication?)"
            )
        case MirrorFault.FORBIDDEN:
            return f"Failed to fetch {source}InRelease  403  Forbidden\nE: {base} is not signed."
        case MirrorFault.HALF_SYNCHRONISED:
            return (
                f"Failed to fetch {source}Packages  File has unexpected size (4711 != 4242). "
                "Mirror sync in progress?"
            )
        case MirrorFault.MISSING:
            return f"{base} does not have a Release file."
    return None if is_served(source) else f"{base} does not have a Release file."


def versions_of(
    package: str, sources: Sequence[str], system: System, faults: Mapping[str, MirrorFault]
) -> list[str]:
    """Return the versions of a package in these sources and the distribution, oldest first."""
    if package in _BASIC:
        return ["1.0-1"]
    found: list[str] = []
    for source in sources:
        minor = _minor_of(source)
        if package in ("kubeadm", "kubelet", "kubectl") and minor:
            lags = faults.get(urlsplit(source).hostname or "") is MirrorFault.LAGGING
            patches = LATEST_PATCH[minor] + (0 if lags else 1)
            found += [f"{minor}.{patch}" for patch in range(patches)]
        elif package in _TOOL_VERSIONS and minor:
            found.append(_TOOL_VERSIONS[package].format(minor=minor))
        elif package == "containerd.io" and _is_docker(source):
            found += _CONTAINERD
    return [f"{version}-{_release(package, system)}" for version in found]


def _release(package: str, system: System) -> str:
    if package == "containerd.io":
        return f"1~{system.id}.{system.version}~{system.codename}" if system.codename else "1.el9"
    return "1.1" if system.packager == "apt" else "150500.1.1"


def choose_version(package: str, wanted: str, versions: Sequence[str]) -> str | None:
    """Return the newest version that fits a pattern such as `1.36.4-*`; empty fits all."""
    fitting = [one for one in versions if not wanted or fnmatch.fnmatchcase(one, wanted)]
    return fitting[-1] if fitting else None

"""Image registries reachable from the private networks, and how each fails.

The words of failures are containerd's, as its clients print them.
"""

import hashlib
from collections.abc import Mapping

from localcloud.machines.repositories import LATEST_PATCH, MirrorFault

REGISTRIES = (
    "registry.aliyuncs.com", "registry.k8s.io", "docker.io", "ghcr.io", "quay.io", "m.daocloud.io",
    "docker.m.daocloud.io", "k8s.m.daocloud.io", "ghcr.m.daocloud.io", "quay.m.daocloud.io",
)  # fmt: skip


def why_unpullable(image: str, faults: Mapping[str, MirrorFault]) -> tuple[str, str] | None:
    """Return the code and the words of the pull's failure, or None for an image that arrives.

    Args:
        faults: by host.
    """
    host, name = _split(image)
    path, _, tag = name.rpartition(":")
    url = f"https://{host}/v2/{path}/manifests"
    match faults.get(host):
        case MirrorFault.WAF_PAGE:
            return "NotFound", (
                "failed to unpack image on snapshotter overlayfs: unexpected media type text/html "
                f"for {image_id(image)}: not found"
            )
        case MirrorFault.FORBIDDEN:
            return "Unknown", (
                f"failed to resolve image: unexpected status from HEAD request to {url}/{tag}: "
                "403 Forbidden"
            )
        case MirrorFault.MISSING:
            return "NotFound", f"failed to resolve image: {image}: not found"
        case MirrorFault.LAGGING if _is_newest(tag):
            return "NotFound", f"failed to resolve image: {image}: not found"
        case MirrorFault.HALF_SYNCHRONISED if _is_newest(tag):
            return "NotFound", (
                "failed to copy: httpReadSeeker: failed open: content at "
                f"{url}/{image_id(image)} not found: not found"
            )
    if host not in REGISTRIES or faults.get(host) is MirrorFault.UNREACHABLE:
        return "Unknown", (
            f'failed to resolve image: failed to do request: Head "{url}/{tag}": dial tcp: '
            f"lookup {host}: no such host"
        )
    return None


def _split(image: str) -> tuple[str, str]:
    """Return the registry of an image, and the rest of its name with a tag."""
    host, slash, rest = image.partition("/")
    if not (slash and ("." in host or ":" in host)):
        host, rest = "docker.io", image
    return host, rest if ":" in rest else f"{rest}:latest"


def _is_newest(tag: str) -> bool:
    """Return whether a tag is of the newest patch of Kubernetes, which mirrors get last."""
    minor, _, patch = tag.removeprefix("v").rpartition(".")
    return str(LATEST_PATCH.get(minor)) == patch


def image_id(image: str) -> str:
    """Return the id of an image, here made of its name without the repository."""
    name = _split(image)[1].rpartition("/")[2]
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()

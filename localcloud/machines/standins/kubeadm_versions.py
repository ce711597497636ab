"""What each release of kubeadm brings: images and their versions."""

from dataclasses import dataclass

from localcloud.machines.standins.call import Call

DEFAULT_REPOSITORY = "registry.k8s.io"

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""The components beside etcd, in kubeadm's order."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Versions that come with a minor version of Kubernetes; tags of their images."""

    pause: str
    coredns: str
    etcd: str


_PARTS = {
    "1.35": Parts("3.10.1", "v1.13.1", "3.6.6-0"),
    "1.36": Parts("3.10.2", "v1.14.2", "3.6.8-0"),
    "1.37": Parts("3.10.2", "v1.14.6", "3.7.0-0"),
}


def parse(version: str) -> tuple[int, ...]:
    """Return `v1.36.4` as numbers, to compare."""
    return tuple(int(part) for part in version.removeprefix("v").split("."))


def minor_of(version: str) -> int:
    return parse(version)[1]


def parts_of(version: str) -> Parts:
    """Return the versions beside Kubernetes' own; of an unknown minor, those of the last one."""
    major, minor, *_ = parse(version)
    return _PARTS.get(f"{major}.{minor}", _PARTS["1.37"])


def installed(call: Call, package: str = "kubeadm") -> str:
    """Return the version of an installed package, `v1.36.4`."""
    return "v" + call.context.state.packages[package].partition("-")[0]


def images_of(version: str, repository: str) -> list[str]:
    """Return the images of a version; upstream keeps CoreDNS in a folder, mirrors are flat."""
    parts = parts_of(version)
    coredns = "coredns/coredns" if repository == DEFAULT_REPOSITORY else "coredns"
    return [
        *(f"{repository}/{name}:{version}" for name in (*CONTROL_PLANE, "kube-proxy")),
        f"{repository}/{coredns}:{parts.coredns}",
        f"{repository}/pause:{parts.pause}",
        f"{repository}/etcd:{parts.etcd}",
    ]


def image_of(name: str, version: str, repository: str) -> str:
    """Return the image of one component."""
    return next(
        image
        for image in images_of(version, repository)
        if image.rpartition("/")[2].startswith(f"{name}:")
    )

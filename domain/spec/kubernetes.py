"""Kubernetes on the machines: its version, places for pods, and mirrors."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.spec.part import Part, Whole

DAEMON_PODS = 2
"""kube-proxy and flannel run on every node, beside the workload."""

# The installers have the same rules (`check_mirror_words`); here they are applied before a machine
# is paid for.
_HOST = r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]+)?"
_URL = rf"https?://{_HOST}(/[a-zA-Z0-9._~%+:/-]*)?"
_MIRROR = f"aliyun|tuna|upstream|{_URL}"
_REPOSITORY = rf"{_HOST}(/[a-z0-9._-]+)*"


def _pull_mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    for registry, url in mirrors.items():
        if not (re.fullmatch(_HOST, registry) and re.fullmatch(_URL, url)):
            raise ValueError(
                f"{registry}: {url} is not a registry with the URL of its mirror, such as "
                "docker.io: https://docker.m.daocloud.io"
            )
    return mirrors


class Kubernetes(Part):
    """Versions, places for pods, and the mirrors from which the machines install."""

    version: str = Field(
        "1.36.4",
        pattern=r"^1\.(35|36|37)\.[0-9]+$",
        description="Version of Kubernetes, 1.35 to 1.37",
    )
    pods_per_node: Whole = Field(40, ge=1, le=250, description="Workload pods; daemons come on top")
    image_repository: str = Field(
        "registry.aliyuncs.com/google_containers registry.k8s.io",
        pattern=rf"^{_REPOSITORY}( +{_REPOSITORY})*$",
        description="Registries with the paths of Kubernetes' own images, tried in turn; all "
        "machines name the images as in the first one",
    )
    package_mirror: str = Field(
        "aliyun tuna upstream",
        pattern=rf"^({_MIRROR})( +({_MIRROR}))*$",
        description="aliyun, tuna, upstream or URLs, tried in turn",
    )
    pull_mirrors: Annotated[dict[str, str], AfterValidator(_pull_mirrors)] = Field(
        default={
            "docker.io": "https://docker.m.daocloud.io",
            "ghcr.io": "https://ghcr.m.daocloud.io",
            "quay.io": "https://quay.m.daocloud.io",
            "registry.k8s.io": "https://k8s.m.daocloud.io",
        },
        description="Registry to mirror",
    )

    @property
    def max_pods(self) -> int:
        """kubelet's limit: the places for workload pods, and those of the daemons."""
        return self.pods_per_node + DAEMON_PODS

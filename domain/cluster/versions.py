"""Which upgrade of a cluster is allowed: versions, their skew, APIs that the new one lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.kernel.errors import InvalidSpec
from domain.kernel.texts import first_of

KUBELET_SKEW = 3
"""Minor versions that a kubelet may be older than its API server; it is never newer."""


def parse(version: str) -> tuple[int, int, int]:
    """The numbers of a version such as `v1.36.4`; a suffix of a vendor is left out."""
    major, minor, patch = version.removeprefix("v").split("+")[0].split("-")[0].split(".")
    return int(major), int(minor), int(patch)


@dataclass(frozen=True, slots=True)
class RequestedApi:
    """A deprecated API that clients have used since the API server's start.

    Attributes:
        removed_in: the release that does not serve it any more, such as `1.37`; empty where none
            is planned.
    """

    group: str
    version: str
    resource: str
    removed_in: str

    @property
    def name(self) -> str:
        return f"{self.resource} of {'/'.join(filter(None, (self.group, self.version)))}"


@dataclass(frozen=True, slots=True)
class Running:
    """The versions that run, such as `v1.36.4`.

    Attributes:
        masters: of the API server, by the name of a master's node.
        kubelets: by the name of the node.
        stored: of the description, without a `v`.
    """

    masters: Mapping[str, str]
    kubelets: Mapping[str, str]
    stored: str


def check_version(running: Running, wanted: str) -> None:
    """Refuse a version that the cluster cannot be brought to in one step.

    What an upgrade that was cut off has done already is allowed.

    Raises:
        InvalidSpec: a downgrade, a skipped minor version, or a kubelet that is too old.
    """
    new = parse(wanted)
    newest = max((*running.masters.values(), *running.kubelets.values()), key=parse)
    if new < parse(newest):
        raise InvalidSpec(
            f"kubernetes.version {wanted} is older than {newest.removeprefix('v')}, which runs "
            "already, and a downgrade is not possible; to go back, create a second cluster"
        )
    oldest = min(running.masters.values(), key=parse)
    minor = parse(oldest)[1]
    if new[0] != parse(oldest)[0] or new[1] > minor + 1:
        raise InvalidSpec(
            f"from {oldest.removeprefix('v')} to {wanted} skips a minor version; "
            f"upgrade to a patch of 1.{minor + 1} first"
        )
    old = [
        n for n, version in running.kubelets.items() if parse(version)[1] + KUBELET_SKEW < new[1]
    ]
    if old:
        raise InvalidSpec(
            f"the kubelets of {first_of(sorted(old))} are more than {KUBELET_SKEW} minor versions "
            f"older than {wanted}; finish the upgrade of before first"
        )


def check_removed(requested: Sequence[RequestedApi], wanted: str, *, force: bool) -> None:
    """Refuse a version that lacks an API which clients still use.

    Args:
        force: go on all the same.

    Raises:
        InvalidSpec: names the APIs.
    """
    gone = [
        one for one in requested if one.removed_in and _minor(one.removed_in) <= parse(wanted)[1]
    ]
    if gone and not force:
        raise InvalidSpec(
            f"Kubernetes {wanted} does not serve {first_of([one.name for one in gone])}, which "
            "clients have used since the API server's start; change these clients first, or go "
            "on all the same with --force"
        )


def _minor(release: str) -> int:
    return int(release.split(".")[1])

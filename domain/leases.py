"""One at a time: a Lease in the cluster says who, until somebody gives no sign of life."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cluster_api import ClusterApi, Manifest

SYSTEM = "kube-system"
VALID = timedelta(seconds=60)
"""A holder that has not renewed for so long has ended; clocks must agree better than that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants to be the only one at something."""

    name: str
    holder: str


def take_lease(api: ClusterApi, claim: Claim, now: datetime) -> str:
    """Take a lease that is free, or renew it; the other holder's name where it is not ours now.

    Two that try at the same moment do not both get it: the server refuses the second change of
    what both have read.
    """
    found = api.read("Lease", claim.name, SYSTEM)
    if found is None:
        return "" if api.create(_lease(claim, now)) else "somebody else"
    spec = found.get("spec") or {}
    other = spec.get("holderIdentity") or ""
    if other not in ("", claim.holder) and now < _end(spec):
        return str(other)
    wanted = _lease(claim, now, str(found["metadata"]["resourceVersion"]))
    return "" if api.replace(wanted) else "somebody else"


def give_lease_back(api: ClusterApi, claim: Claim) -> None:
    """Let the next one begin at once; a lease that is no longer ours stays as it is."""
    found = api.read("Lease", claim.name, SYSTEM)
    if found and (found.get("spec") or {}).get("holderIdentity") == claim.holder:
        free = Claim(claim.name, "")
        renewed = datetime.fromisoformat(found["spec"]["renewTime"])
        api.replace(_lease(free, renewed, str(found["metadata"]["resourceVersion"])))


def _lease(claim: Claim, now: datetime, version: str = "") -> Manifest:
    metadata: dict[str, Any] = {"name": claim.name, "namespace": SYSTEM}
    if version:
        metadata["resourceVersion"] = version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": claim.holder,
            "leaseDurationSeconds": int(VALID.total_seconds()),
            # Kubernetes' MicroTime has exactly six digits.
            "renewTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


def _end(spec: Manifest) -> datetime:
    renewed = spec.get("renewTime")
    if not renewed:
        return datetime.min.replace(tzinfo=UTC)
    seconds = spec.get("leaseDurationSeconds") or VALID.total_seconds()
    return datetime.fromisoformat(renewed) + timedelta(seconds=seconds)

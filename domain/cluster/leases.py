"""One at a time: a Lease in the cluster says who, until somebody gives no sign of life."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cluster.api import ClusterApi, Manifest
from domain.kernel.waiting import Clock, Pace, wait_for

SYSTEM = "kube-system"
VALID = timedelta(seconds=60)
"""A holder that has not renewed for so long has ended; clocks must agree better than that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants to be the only one at something."""

    name: str
    holder: str


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that is somebody else's.

    Args:
        until: when it counts as abandoned, unless it is renewed before.
    """

    lease: str
    holder: str
    until: datetime

    def tell(self, now: datetime) -> str:
        """Say who holds what, and for how long."""
        left = max(0.0, (self.until - now).total_seconds())
        return (
            f"{self.holder} holds the Lease {SYSTEM}/{self.lease} for another {left:.0f} s, "
            "or longer if it renews it"
        )


def take_lease(api: ClusterApi, claim: Claim, now: datetime) -> Held | None:
    """Take a lease that is free, or renew it; answers who holds it where it is not ours now.

    Two that try at the same moment do not both get it: the server refuses the second change of
    what both have read.
    """
    faster = Held(claim.name, "somebody else", now + VALID)
    found = api.read("Lease", claim.name, SYSTEM)
    if found is None:
        return None if api.create(_lease(claim, now)) else faster
    spec = found.get("spec") or {}
    other = spec.get("holderIdentity") or ""
    if other not in ("", claim.holder) and now < (until := _end(spec)):
        return Held(claim.name, str(other), until)
    wanted = _lease(claim, now, str(found["metadata"]["resourceVersion"]))
    return None if api.replace(wanted) else faster


def outwait_lease(
    api: ClusterApi,
    claim: Claim,
    now: datetime,
    tell: Callable[[Held], None],
    clock: Clock = time,
) -> Held | None:
    """Take a lease as soon as it is free, which an abandoned one is at the end of its time.

    Answers whoever renews it, or takes it, meanwhile: that one is at work.

    Args:
        tell: told once who is waited for.
    """
    first = take_lease(api, claim, now)
    if first is None:
        return None
    tell(first)
    began = clock.monotonic()

    def look() -> tuple[Held | None] | None:
        held = take_lease(api, claim, now + timedelta(seconds=clock.monotonic() - began))
        return (held,) if held is None or held.until > first.until else None

    # It ends with the lease; the rest is for a cluster that does not answer at that moment.
    left = (first.until - now + VALID).total_seconds()
    pace = Pace(timeout=left, interval=1.0, growth=1.0)
    return wait_for(look, what=f"the Lease {SYSTEM}/{claim.name} free", pace=pace, clock=clock)[0]


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

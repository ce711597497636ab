"""Leases in the cluster, by which one process at a time does a task; they expire unless renewed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.kernel.waiting import Clock, Pace, wait_for

VALID = timedelta(seconds=60)
"""A lease that was not renewed for so long is expired; clocks must differ by less."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease and the process that wants to hold it."""

    name: str
    holder: str


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that another process holds.

    Attributes:
        until: when it expires, unless it is renewed before.
    """

    lease: str
    holder: str
    until: datetime

    def describe(self, now: datetime) -> str:
        """Name the holder, the lease, and the seconds until it expires."""
        left = max(0.0, (self.until - now).total_seconds())
        return (
            f"{self.holder} holds the Lease {SYSTEM}/{self.lease} for another {left:.0f} s, "
            "or longer if it renews it"
        )


def acquire_lease(api: ClusterApi, claim: Claim, now: datetime) -> Held | None:
    """Acquire a lease that is free, or renew our own.

    Of two processes that try at the same moment only one acquires it: the server refuses the second
    change of the version that both have read.

    Returns:
        None when the lease is ours now, else the other holder.
    """
    faster = Held(claim.name, "another process", now + VALID)
    found = api.read("Lease", claim.name, SYSTEM)
    if found is None:
        return None if api.create(_lease(claim, now)) else faster
    spec = found.get("spec") or {}
    other = spec.get("holderIdentity") or ""
    if other not in ("", claim.holder) and now < (until := _end(spec)):
        return Held(claim.name, str(other), until)
    wanted = _lease(claim, now, str(found["metadata"]["resourceVersion"]))
    return None if api.replace(wanted) else faster


def wait_for_lease(
    api: ClusterApi,
    claim: Claim,
    now: datetime,
    on_wait: Callable[[Held], None],
    clock: Clock = time,
) -> Held | None:
    """Acquire a lease as soon as it is free; that of a killed process is when it expires.

    Args:
        on_wait: called once with the present holder, if there is one.

    Returns:
        None when the lease is ours now, else the process that has renewed or acquired it meanwhile.
    """
    first = acquire_lease(api, claim, now)
    if first is None:
        return None
    on_wait(first)
    began = clock.monotonic()

    def look() -> tuple[Held | None] | None:
        held = acquire_lease(api, claim, now + timedelta(seconds=clock.monotonic() - began))
        return (held,) if held is None or held.until > first.until else None

    # The wait ends with the lease; VALID is for a cluster that does not answer at that moment.
    left = (first.until - now + VALID).total_seconds()
    pace = Pace(timeout=left, interval=1.0, growth=1.0)
    return wait_for(look, what=f"the Lease {SYSTEM}/{claim.name} free", pace=pace, clock=clock)[0]


def release_lease(api: ClusterApi, claim: Claim) -> None:
    """Release a lease at once; one that is no longer ours is not changed."""
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

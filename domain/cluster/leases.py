"""Leases in the cluster, by which one process at a time does a task; they expire unless renewed.

All times of a Lease are of the API server's clock, `ClusterApi.read_time`: the clocks of the
processes that hold and want it may differ.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.cluster.claims import Holder, holder_from
from domain.kernel.waiting import Clock, Pace, repeat, wait_for

VALID = timedelta(seconds=60)
"""A lease that was not renewed for so long is expired."""

HOLDER = "k8s-qingcloud/holder"
"""Annotation of a Lease with its holder as a JSON document."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease and the process that wants to hold it.

    Attributes:
        holder: identifies the process; one that has the lease may acquire it again.
        run: the run in that process, if it is known.
    """

    name: str
    holder: str
    run: Holder | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that another process holds.

    Attributes:
        until: when it expires, unless it is renewed before.
        run: the run that holds it, where that is known.
    """

    lease: str
    holder: str
    until: datetime
    run: Holder | None = None

    def describe(self, now: datetime) -> str:
        """Name the holder, the lease, and the seconds until it expires."""
        left = max(0.0, (self.until - now).total_seconds())
        return (
            f"{self.holder} holds the Lease {SYSTEM}/{self.lease} for another {left:.0f} s, "
            "or longer if it renews it"
        )


def acquire_lease(
    api: ClusterApi,
    claim: Claim,
    now: datetime,
    is_gone: Callable[[Holder], bool] = lambda run: False,
    clock: Clock = time,
) -> Held | None:
    """Acquire a lease that is free or whose process is gone, or renew our own.

    It looks before it acts, so it is repeated while the server's error may pass.

    Of two processes that try at the same moment only one acquires it: the server refuses the second
    change of the version that both have read.

    Args:
        now: by the API server's clock.
        is_gone: whether the process of a holder has provably ended.

    Returns:
        None when the lease is ours now, else the other holder.
    """
    return repeat(lambda: _acquire(api, claim, now, is_gone), clock=clock)


def _acquire(
    api: ClusterApi, claim: Claim, now: datetime, is_gone: Callable[[Holder], bool]
) -> Held | None:
    faster = Held(claim.name, "another process", now + VALID)
    found = api.read("Lease", claim.name, SYSTEM)
    if found is None:
        return None if api.create(_lease(claim, now)) else faster
    spec = found.get("spec") or {}
    other = spec.get("holderIdentity") or ""
    if other not in ("", claim.holder) and now < (until := _end(spec)):
        run = _run_of(found)
        if run is None or not is_gone(run):
            return Held(claim.name, str(other), until, run)
    wanted = _lease(claim, now, str(found["metadata"]["resourceVersion"]))
    return None if api.replace(wanted) else faster


def wait_for_lease(
    api: ClusterApi,
    claim: Claim,
    now: datetime,
    on_wait: Callable[[Held], None],
    clock: Clock = time,
    is_gone: Callable[[Holder], bool] = lambda run: False,
) -> Held | None:
    """Acquire a lease as soon as it is free; that of a killed process is when it expires.

    Args:
        on_wait: called once with the present holder, if there is one.

    Returns:
        None when the lease is ours now, else the process that has renewed or acquired it meanwhile.
    """
    first = acquire_lease(api, claim, now, is_gone)
    if first is None:
        return None
    on_wait(first)
    began = clock.monotonic()

    def look() -> tuple[Held | None] | None:
        later = now + timedelta(seconds=clock.monotonic() - began)
        held = acquire_lease(api, claim, later, is_gone)
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
    if claim.run:
        metadata["annotations"] = {HOLDER: json.dumps(claim.run.to_document())}
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


def _run_of(lease: Manifest) -> Holder | None:
    """The run that holds a lease; None where it was not written, or not by this version."""
    try:
        return holder_from(json.loads(lease["metadata"]["annotations"][HOLDER]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _end(spec: Manifest) -> datetime:
    renewed = spec.get("renewTime")
    if not renewed:
        return datetime.min.replace(tzinfo=UTC)
    seconds = spec.get("leaseDurationSeconds") or VALID.total_seconds()
    return datetime.fromisoformat(renewed) + timedelta(seconds=seconds)

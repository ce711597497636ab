"""Ending what a cluster's add-ons have made, through its API: their controllers clean up then."""

import time
from collections.abc import Sequence
from typing import Protocol

from domain.cloud.addons import Claim, Requests, Service
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, WaitTimedOut
from domain.kernel.texts import first_of
from domain.kernel.waiting import Clock, Pace, wait_for

CLEANING = Pace(timeout=90.0, interval=2.0)
"""How long a controller may take. One that does not run is not waited for: without its finalizer a
Service is gone at once, and with it for as long as this."""


class AddOnApi(Protocol):
    """The part of a cluster's API that add-ons are asked through."""

    def list_balanced_services(self) -> Sequence[Service]: ...
    def list_claims(self) -> Sequence[Claim]: ...
    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool: ...


def read_requests(api: AddOnApi) -> Requests:
    """Read the Services and the claims that have something of the cloud."""
    return Requests(tuple(api.list_balanced_services()), tuple(api.list_claims()))


def end_requests(api: AddOnApi, requests: Requests, clock: Clock = time) -> Ensured[None]:
    """Delete these Services and unused claims, and wait a while for the controllers.

    A claim in use is left: its volume stays attached until its machine is terminated. So is one
    whose volume is to outlive it.

    Returns:
        What was done. A failure ends nothing: what is left is deleted in the cloud.
    """
    services = {one.uid: one for one in requests.services}
    claims = [one for one in requests.claims if not (one.is_attached or one.is_retained)]
    names = [one.full_name for one in requests.services] + [one.full_name for one in claims]
    if not names:
        return Ensured(None, "there are none")
    volumes = {one.volume_id for one in claims}

    def ended() -> bool | None:
        left = any(one.uid in services for one in api.list_balanced_services())
        left = left or any(one.volume_id in volumes for one in api.list_claims())
        return None if left else True

    try:
        for service in services.values():
            api.delete("Service", service.name, service.namespace)
        for claim in claims:
            api.delete("PersistentVolumeClaim", claim.name, claim.namespace)
        wait_for(ended, what=f"end of {first_of(names)}", pace=CLEANING, clock=clock)
    except WaitTimedOut:
        late = f"{first_of(names)} still exist after {CLEANING.timeout:g} s; does their controller "
        return Ensured(None, f"{late}run? What it has made is deleted in the cloud", failed=True)
    except ClusterError as error:
        return Ensured(None, f"their controller did not clean up: {error}", failed=True)
    return Ensured(None, f"ended {first_of(names)}")

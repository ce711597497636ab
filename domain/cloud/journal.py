"""Creates whose outcome is not known, remembered from one run to the next.

A run that is killed while a create is under way leaves a call that may still act. Its successor
would find nothing and create the resource a second time. So each create is noted before it is sent,
and the note is deleted with its reply.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from domain.cloud.api import Cloud
from domain.cloud.creating import ACTING
from domain.kernel.errors import ClusterError, UnknownOutcome

CREATES: Mapping[str, str] = {
    "create_vpc": "find_vpcs",
    "create_vxnet": "find_vxnets",
    "allocate_eip": "find_eips",
    "create_loadbalancer": "find_loadbalancers",
    "create_security_group": "find_security_groups",
    "create_keypair": "find_keypairs",
    "create_tag": "find_tags",
    "run_instances": "",  # machines of a group share a name, so one that is seen proves nothing
}
"""The calls that make a second resource when they act twice, each with the read that shows it."""


class Journal(Protocol):
    """Keeps which creates have no reply; survives the process."""

    def ages(self) -> Mapping[str, float]:
        """Return the creates without a reply, and the seconds since each was sent."""
        ...

    def begin(self, what: str) -> None: ...
    def end(self, what: str) -> None: ...


def acting_for(journal: Journal) -> float:
    """Seconds for which a create without a reply may still act; 0 without one."""
    return max((ACTING.timeout - age for age in journal.ages().values()), default=0.0)


class _Journaled:
    def __init__(self, cloud: Cloud, journal: Journal) -> None:
        self._cloud, self._journal = cloud, journal

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cloud, name)
        if name in CREATES:
            return self._creating(name, call)
        created_by = [create for create, find in CREATES.items() if find == name]
        return self._finding(created_by[0], call) if created_by else call

    def _creating(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def create(subject: Any, *args: Any) -> Any:
            what = f"{name} {getattr(subject, 'name', subject)}"
            age = self._journal.ages().get(what, ACTING.timeout)
            if age < ACTING.timeout:
                raise UnknownOutcome(
                    f"{what}: a run that was ended sent this call {age:.0f} s ago and did not get "
                    "its reply, so it may still act."
                )
            self._journal.begin(what)
            try:
                done = call(subject, *args)
            except UnknownOutcome:
                raise
            except ClusterError:
                self._journal.end(what)
                raise
            self._journal.end(what)
            return done

        return create

    def _finding(self, create: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def find(*args: Any) -> Any:
            found = call(*args)
            for one in found:
                self._journal.end(f"{create} {one.name}")
            return found

        return find


def journaled(cloud: Cloud, journal: Journal) -> Cloud:
    """Return a cloud that notes each create until its reply, and refuses one that may still act.

    The refusal is an `UnknownOutcome`, so that the caller looks for what the earlier call makes.
    """
    return cast(Cloud, _Journaled(cloud, journal))

"""Creates whose outcome is not known, remembered from one run to the next.

A run that is killed while a create is under way leaves a call that may still act. Its successor
would find nothing and create the resource a second time. So each create is noted before it is sent,
and the note is deleted with its reply.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from domain.cloud.api import Cloud
from domain.cloud.creating import ACTING
from domain.cloud.records import InstanceSpec
from domain.kernel.errors import ClusterError, UnknownOutcome

CREATES: Mapping[str, str] = {
    "create_vpc": "find_vpcs",
    "create_vxnet": "find_vxnets",
    "allocate_eip": "find_eips",
    "create_loadbalancer": "find_loadbalancers",
    "create_security_group": "find_security_groups",
    "create_keypair": "find_keypairs",
    "create_tag": "find_tags",
    "run_instances": "find_instances",
    "add_rules": "",
}
"""The calls that make a second resource when they act twice, each with the read that shows it."""


SIZE = " to "


class Journal(Protocol):
    """Keeps which creates have no reply; survives the process."""

    def ages(self) -> Mapping[str, float]:
        """Return the creates without a reply, and the seconds since each was sent."""
        ...

    def begin(self, what: str) -> None: ...
    def end(self, what: str) -> None: ...


def outliving(journal: Journal) -> Mapping[str, float]:
    """The creates without a reply that can make a resource after a teardown, and their ages.

    Rules are not among them: they need their group.
    """
    ages = journal.ages().items()
    return {what: age for what, age in ages if not what.startswith("add_rules ")}


def acting_for(journal: Journal) -> float:
    """Seconds for which one of these creates may still act; 0 without one."""
    return max((ACTING.timeout - age for age in outliving(journal).values()), default=0.0)


class _Journaled:
    def __init__(self, cloud: Cloud, journal: Journal) -> None:
        self._cloud, self._journal = cloud, journal
        self._machines: Counter[str] = Counter()  # by name, as they were seen last

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cloud, name)
        if name in CREATES:
            return self._creating(name, call)
        created_by = [create for create, find in CREATES.items() if find == name]
        return self._finding(created_by[0], call) if created_by else call

    def _creating(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def create(subject: Any, *args: Any) -> Any:
            about = f"{name} {getattr(subject, 'name', subject)}"
            noted = [one for one in self._journal.ages().items() if _is_about(one[0], about)]
            for what, age in noted:
                if age < ACTING.timeout:
                    raise UnknownOutcome(
                        f"{what}: a run that was ended sent this call {age:.0f} s ago and did not "
                        "get its reply, so it may still act."
                    )
                self._journal.end(what)
            what = about + self._wanted_size(subject)
            self._journal.begin(what)
            try:
                done = call(subject, *args)
            except UnknownOutcome:
                raise
            except ClusterError:
                self._journal.end(what)
                raise
            self._journal.end(what)
            if isinstance(subject, InstanceSpec):
                self._machines[subject.name] += subject.count
            return done

        return create

    def _wanted_size(self, subject: object) -> str:
        """Machines of a group share a name, so their note has the size that shows the call acted.

        As in `run_instances k8s.demo.k8s-node to 4`.
        """
        if not isinstance(subject, InstanceSpec):
            return ""
        return f"{SIZE}{self._machines[subject.name] + subject.count}"

    def _finding(self, create: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def find(*args: Any) -> Any:
            found = call(*args)
            sizes = Counter(one.name for one in found if getattr(one, "is_alive", True))
            if create == "run_instances":
                self._machines = sizes
            for what in self._journal.ages():
                about, _, wanted = what.partition(SIZE)
                if about.startswith(f"{create} ") and sizes[about.split()[1]] >= int(wanted or 1):
                    self._journal.end(what)
            return found

        return find


def _is_about(what: str, about: str) -> bool:
    return what.partition(SIZE)[0] == about


def journaled(cloud: Cloud, journal: Journal) -> Cloud:
    """Return a cloud that notes each create until its reply, and refuses one that may still act.

    The refusal is an `UnknownOutcome`, so that the caller looks for what the earlier call makes.
    """
    return cast(Cloud, _Journaled(cloud, journal))

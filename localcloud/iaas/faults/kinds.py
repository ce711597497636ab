"""Every kind of fault as a plain record, the same for the command, the file and the API.

A fault strikes on an *occasion*: a request of a matching action, a machine that boots. Its `share`
of the occasions is drawn from its own `seed`, so that a run can be repeated whatever else happens.
The last kinds are leniencies towards public clients, not faults of a cloud.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le
from pydantic import TypeAdapter, ValidationError

from localcloud.iaas.faults.fault import BadFault, Fault, Number, Seconds
from localcloud.iaas.faults.leniencies import AppliesByItself, LongTags, TakesPasswords, TypeWins

Code = Annotated[int, Ge(1000), Le(9999)]
Count = Annotated[int, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFault(Fault):
    """A fault of requests.

    Attributes:
        action: Which actions, as a pattern: `RunInstances`, `Describe*`, `*`.
    """

    action: str = "*"

    def covers(self, action: str) -> bool:
        return fnmatchcase(action, self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Error(RequestFault):
    """Refuse a request with a code before it acts.

    Attributes:
        code: The `ret_code`, such as 5100 (busy) or 2400 (no balance).
        message: The whole message; by default one that names the fault.
    """

    kind: ClassVar[str] = "error"
    code: Code
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(RequestFault):
    """Delay the answer.

    Attributes:
        seconds: Delay before the request acts.
    """

    kind: ClassVar[str] = "latency"
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRequest(RequestFault):
    """Close the connection before the request acts."""

    kind: ClassVar[str] = "lost-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReply(RequestFault):
    """Close the connection after the request has acted."""

    kind: ClassVar[str] = "lost-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReply(RequestFault):
    """Send an unusable reply after the request has acted.

    Attributes:
        form: `gateway` (HTTP 502), `empty` (no body) or `text` (a body that is not JSON).
    """

    kind: ClassVar[str] = "bad-reply"
    form: Literal["gateway", "empty", "text"] = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit(RequestFault):
    """Refuse calls beyond a rate with 2500.

    Attributes:
        calls: How many are answered.
        seconds: In any span of this length. The real cloud documents 2000 calls in 3600.
    """

    kind: ClassVar[str] = "rate-limit"
    calls: Number = 2000
    seconds: Annotated[float, Gt(0)] = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Fault):
    """Limit how many of a resource the account may have; more are refused with 2500.

    Attributes:
        resource: As in GetQuotaLeft: instance, cpu, memory, eip, router, vxnet, loadbalancer …
        most: The limit, including existing resources.
    """

    kind: ClassVar[str] = "quota"
    resource: str
    most: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOut(Fault):
    """Refuse machines with 5200, as if the zone were out of stock.

    Attributes:
        type: Which instance types, as a pattern: `s1.small.r2`, `e2.*`, `*`.
        zone: Which zones, as a pattern.
    """

    kind: ClassVar[str] = "stock-out"
    type: str = "*"
    zone: str = "*"

    def covers(self, type_id: str, zone: str) -> bool:
        return fnmatchcase(type_id, self.type) and fnmatchcase(zone, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailure(RequestFault):
    """Accept a request, and let its job fail at its end.

    Attributes:
        outcome: `failed`, or `partly`: `done with failure`, the first half of the resources fails.
    """

    kind: ClassVar[str] = "job-failure"
    outcome: Literal["failed", "partly"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFault(Fault):
    """A fault of machines.

    Attributes:
        machine: Which machines, as a pattern of names or instance ids.
    """

    machine: str = "*"

    def covers(self, instance_id: str, name: str) -> bool:
        return fnmatchcase(instance_id, self.machine) or fnmatchcase(name, self.machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverBoots(MachineFault):
    """Machines started from now on hang while booting: `running`, but unreachable."""

    kind: ClassVar[str] = "never-boots"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverJoins(MachineFault):
    """Machines started from now on boot, but their kubelet never comes up."""

    kind: ClassVar[str] = "never-joins"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesLocked(MachineFault):
    """Machines started from now on first hold the package lock, as an automatic update does.

    Attributes:
        seconds: How long after its start a machine's package manager is locked.
    """

    kind: ClassVar[str] = "packages-locked"
    seconds: Seconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dies(MachineFault):
    """Machines, running ones and those started from now on, stop answering for good.

    The API still shows them as `running`; a restart recovers them.

    Attributes:
        seconds: From now, or from the start of the machine.
    """

    kind: ClassVar[str] = "dies"
    seconds: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAway(MachineFault):
    """Stop the API server on running masters for a while.

    Attributes:
        seconds: How long; by default until the fault is cleared.
    """

    kind: ClassVar[str] = "api-away"
    seconds: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady(MachineFault):
    """Stop the kubelet on running machines, so that their nodes become NotReady.

    Attributes:
        seconds: How long; by default until the fault is cleared.
    """

    kind: ClassVar[str] = "not-ready"
    seconds: Seconds | None = None


KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        Error,
        Latency,
        LostRequest,
        LostReply,
        BadReply,
        RateLimit,
        Quota,
        StockOut,
        JobFailure,
        NeverBoots,
        NeverJoins,
        PackagesLocked,
        Dies,
        ApiAway,
        NotReady,
        AppliesByItself,
        TypeWins,
        TakesPasswords,
        LongTags,
    )
}


def read_fault(document: object) -> Fault:
    """Read a fault as `to_document` writes it.

    Raises:
        BadFault: no such kind, a field that it does not have, or a value that does not fit.
    """
    if not isinstance(document, Mapping):
        raise BadFault(f"a fault is a mapping with a `kind`, not {document!r}")
    values = {str(name).replace("-", "_"): value for name, value in document.items()}
    kind = KINDS.get(str(values.pop("kind", "")))
    if kind is None:
        raise BadFault(f"the kind of a fault should be one of {', '.join(KINDS)}")
    allowed = [field.name for field in fields(kind)]
    if strange := sorted(values.keys() - set(allowed)):
        raise BadFault(f"{kind.kind} has no {strange[0]!r}, but {', '.join(allowed)}")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise BadFault(f"{kind.kind}, {name}: {first['msg']}") from None

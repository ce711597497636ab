"""Does the account's quota allow what the description does?"""

from collections.abc import Mapping

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.spec.cluster import ClusterSpec

TICKET = "Request more with a ticket to QingCloud"


def check_quotas(spec: ClusterSpec, left: Mapping[str, int], machines: int) -> Finding:
    """Check whether the groups can grow to their maximum.

    Args:
        left: by the cloud's kinds; without `instance` the cloud reports no quota.
        machines: how many there are.
    """
    if "instance" not in left:
        return well(Subject.QUOTAS, "the account has none on machines")
    room, growth = left["instance"], max(0, spec.largest - machines)
    if growth and room == 0:
        words = "it allows no more machine: nothing is replaced, and no group grows"
        return trouble(Subject.QUOTAS, words, TICKET)
    if room < growth:
        words = f"it allows {room} more machines, and the groups may grow by {growth}"
        return warning(Subject.QUOTAS, words, TICKET)
    return well(Subject.QUOTAS, f"{room} more machines, the groups may grow by {growth}")

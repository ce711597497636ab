"""Faults as requested; one that could never strike is refused as a mistake.

A stored fault is read without this check, because another version may have written it.
"""

from collections.abc import Collection
from difflib import get_close_matches
from fnmatch import fnmatchcase

from localcloud.iaas.actions import ACTIONS
from localcloud.iaas.catalog import QUOTAS
from localcloud.iaas.faults.fault import BadFault, Fault
from localcloud.iaas.faults.kinds import Quota, RequestFault, read_fault

WILDCARDS = frozenset("*?[")


def read_requested(document: object) -> Fault:
    """Read a requested fault.

    Raises:
        BadFault: as `read_fault`, or it names an action or a resource that does not exist.
    """
    fault = read_fault(document)
    if isinstance(fault, RequestFault):
        _need_known(fault, "action", fault.action, ACTIONS)
    if isinstance(fault, Quota):
        _need_known(fault, "resource", fault.resource, QUOTAS, patterns=False)
    return fault


def _need_known(
    fault: Fault, noun: str, name: str, known: Collection[str], *, patterns: bool = True
) -> None:
    if name in known:
        return
    if patterns and WILDCARDS & set(name):
        if not any(fnmatchcase(one, name) for one in known):
            raise BadFault(f"{fault.kind}: no {noun} is like {name}")
        return
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise BadFault(f"{fault.kind}: there is no {noun} {name}{hint}")

"""Existing resources that a cluster uses and has not created: adopted ones.

Their names are not ours, so the cloud would not show which cluster uses them. The description of
the cluster's own security group says it. It is written before anything in an adopted network is
changed, and goes with the group, the last part of a teardown; so every run knows what to keep, also
one without the cluster's description or credentials.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.cloud.api import Cloud
from domain.cloud.records import Eip, Rule, SecurityGroup, Vpc, Vxnet
from domain.spec.cluster import ClusterSpec

R = TypeVar("R")

_BEGIN = "uses, and never deletes: "
_IDS = re.compile(r"\b(?:rtr|vxnet|eip)-[a-z0-9]+\b")

REASON = "existed before the cluster, and stays"


@dataclass(frozen=True, slots=True)
class Adopted:
    """The ids of adopted resources; empty where the cluster has its own."""

    vpc: str = ""
    vxnets: tuple[str, ...] = ()
    eip: str = ""

    @property
    def ids(self) -> frozenset[str]:
        return frozenset((self.vpc, *self.vxnets, self.eip)) - {""}

    @property
    def note(self) -> str:
        """The description of the cluster's security group; empty if nothing is adopted."""
        ids = [one for one in (self.vpc, *self.vxnets, self.eip) if one]
        return _BEGIN + " ".join(ids) if ids else ""

    def extended(self, wanted: "Adopted") -> "Adopted":
        """The same with the vxnets that a description names in addition."""
        more = tuple(one for one in wanted.vxnets if one not in self.vxnets)
        return replace(self, vxnets=self.vxnets + more) if self.vpc == wanted.vpc else self

    def beside(self, vpcs: Sequence[Vpc], eips: Sequence[Eip]) -> "Adopted":
        """The same for a cluster that may have created its own already, which it keeps."""
        eip = "" if eips else self.eip
        return Adopted(eip=eip) if vpcs else replace(self, eip=eip)


NOTHING = Adopted()


def adopted_by(spec: ClusterSpec) -> Adopted:
    """What a description names."""
    return Adopted(spec.network.vpc, spec.network.vxnets, spec.address.eip)


def noted_on(group: SecurityGroup | None) -> Adopted:
    """What an earlier run has noted on the cluster's security group."""
    if group is None or not group.description.startswith(_BEGIN):
        return NOTHING
    ids = _IDS.findall(group.description.removeprefix(_BEGIN))

    def first(kind: str) -> str:
        return next((one for one in ids if one.startswith(kind)), "")

    vxnets = tuple(one for one in ids if one.startswith("vxnet-"))
    return Adopted(first("rtr-"), vxnets, first("eip-"))


@dataclass(frozen=True, slots=True)
class Lent:
    """Adopted resources as they are now; `group` and `rules` are those of the router."""

    vpc: Vpc | None = None
    vxnets: tuple[Vxnet, ...] = ()
    eip: Eip | None = None
    group: SecurityGroup | None = None
    rules: tuple[Rule, ...] = ()


def read_adopted(cloud: Cloud, adopted: Adopted) -> Lent:
    """Read what exists of it: no call if nothing is adopted, else up to five."""
    vpc = _only(cloud.read_vpcs((adopted.vpc,))) if adopted.vpc else None
    group_id = vpc.security_group_id if vpc else ""
    return Lent(
        vpc=vpc,
        vxnets=tuple(cloud.read_vxnets(adopted.vxnets)) if adopted.vxnets else (),
        eip=_only(cloud.read_eips((adopted.eip,))) if adopted.eip else None,
        group=_only(cloud.read_security_groups((group_id,))) if group_id else None,
        rules=tuple(cloud.list_rules(group_id)) if group_id else (),
    )


def _only(found: Sequence[R]) -> R | None:
    return found[0] if found else None

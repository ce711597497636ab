"""Announcing changes: a cloud that reports each change that it has made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from domain.cloud.api import Cloud
from domain.cloud.records import InstanceSpec, Launch

EVENTS: Mapping[str, tuple[str, str]] = {
    "create_vpc": ("router", "added"),
    "bind_eip_to_router": ("router", "published"),
    "update_router": ("router", "updated"),
    "delete_vpc": ("router", "removed"),
    "create_vxnet": ("vxnet", "added"),
    "join_router": ("vxnet", "joined"),
    "leave_router": ("vxnet", "left"),
    "delete_vxnets": ("vxnet", "removed"),
    "add_port_forwards": ("forward", "added"),
    "delete_port_forwards": ("forward", "removed"),
    "allocate_eip": ("address", "added"),
    "release_eips": ("address", "removed"),
    "create_security_group": ("firewall", "added"),
    "describe_security_group": ("firewall", "described"),
    "add_rules": ("rule", "added"),
    "delete_rules": ("rule", "removed"),
    "apply_security_group": ("firewall", "updated"),
    "delete_security_groups": ("firewall", "removed"),
    "create_loadbalancer": ("balancer", "added"),
    "add_listeners": ("listener", "added"),
    "delete_listeners": ("listener", "removed"),
    "add_backend": ("backend", "added"),
    "delete_backends": ("backend", "removed"),
    "update_loadbalancer": ("balancer", "updated"),
    "delete_loadbalancers": ("balancer", "removed"),
    "create_keypair": ("keypair", "added"),
    "delete_keypairs": ("keypair", "removed"),
    "run_instances": ("machine", "added"),
    "terminate_instances": ("machine", "removed"),
    "delete_volumes": ("volume", "removed"),
    "create_tag": ("tag", "added"),
    "attach_tag": ("tag", "attached"),
    "delete_tags": ("tag", "removed"),
}
"""The calls that change something, with the kind of resource and what happens to it."""

_SUBJECT = {"leave_router": 1}
"""The argument that names the resources, where it is not the first."""

_NAMED_BY_REPLY = (
    "create_vpc",
    "create_vxnet",
    "allocate_eip",
    "create_security_group",
    "create_loadbalancer",
    "create_keypair",
    "run_instances",
    "create_tag",
)


@dataclass(frozen=True, slots=True)
class WorldChange:
    """A change that the cloud has accepted; a job of it may still run.

    Attributes:
        kind, verb: such as `machine` and `added`.
        ids: of the resources; of their owner for parts that have none yet, such as rules.
        name: of what was created; empty for anything else.
    """

    kind: str
    verb: str
    ids: tuple[str, ...]
    name: str = ""


Announce = Callable[[WorldChange], None]


class _Announcing:
    def __init__(self, cloud: Cloud, announce: Announce) -> None:
        self._cloud, self._announce = cloud, announce

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cloud, name)
        return self._changing(name, call) if name in EVENTS else call

    def _changing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            done = call(*args, **kwargs)
            self._announce(_describe(name, args, done))
            return done

        return change


def _describe(name: str, args: tuple[Any, ...], done: Any) -> WorldChange:
    kind, verb = EVENTS[name]
    if name not in _NAMED_BY_REPLY:
        return WorldChange(kind, verb, _listed(args[_SUBJECT.get(name, 0)]))
    subject = args[0]
    called = subject.name if isinstance(subject, InstanceSpec) else str(subject)
    if isinstance(done, Launch):
        return WorldChange(kind, verb, done.instance_ids, called)
    new = done[0] if isinstance(done, tuple) else done  # the second part is its job
    return WorldChange(kind, verb, (str(new),), called)


def _listed(subject: Any) -> tuple[str, ...]:
    return (subject,) if isinstance(subject, str) else tuple(map(str, subject))


def announcing(cloud: Cloud, announce: Announce) -> Cloud:
    """Return a cloud that calls `announce` after each change that the cloud has accepted.

    A change whose reply was lost is not announced: whether it happened is not known then.
    """
    return cast(Cloud, _Announcing(cloud, announce))

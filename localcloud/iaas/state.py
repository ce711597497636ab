"""All resources of one cloud, by kind and id."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from localcloud.iaas.balancer_records import (
    Backend,
    Listener,
    LoadBalancer,
    Policy,
    PolicyRule,
    ServerCertificate,
)
from localcloud.iaas.errors import ResourceNotFound
from localcloud.iaas.records import (
    Attachment,
    Eip,
    Instance,
    KeyPair,
    Nic,
    OwnImage,
    Resource,
    Router,
    RouterStatic,
    Rule,
    SecurityGroup,
    Snapshot,
    Tag,
    Volume,
    Vxnet,
)

R = TypeVar("R", bound=Resource)

BASIC_VXNET = "vxnet-0"


class Table(dict[str, R]):
    """Resources of one kind by id, including recently deleted ones."""

    def add(self, resource: R) -> R:
        self[resource.id] = resource
        return resource

    def read(self, resource_id: str) -> R:
        """Return an existing resource. Raises `ResourceNotFound`."""
        resource = self.get(resource_id)
        if resource is None or not resource.is_alive:
            raise ResourceNotFound(resource_id)
        return resource

    def read_any(self, resource_id: str) -> R:
        """Return a resource, also a deleted one. Raises `ResourceNotFound`."""
        if resource_id not in self:
            raise ResourceNotFound(resource_id)
        return self[resource_id]

    def read_all(self, resource_ids: list[str]) -> list[R]:
        """Return existing resources in the order of the ids, without duplicates."""
        return [self.read(resource_id) for resource_id in dict.fromkeys(resource_ids)]

    def alive(self) -> list[R]:
        return [resource for resource in self.values() if resource.is_alive]


class State:
    """The tables, with the zone's own resources: a basic network and a default group."""

    def __init__(self, now: datetime, default_group_id: str) -> None:
        self.vxnets: Table[Vxnet] = Table()
        self.routers: Table[Router] = Table()
        self.statics: Table[RouterStatic] = Table()
        self.eips: Table[Eip] = Table()
        self.groups: Table[SecurityGroup] = Table()
        self.rules: Table[Rule] = Table()
        self.loadbalancers: Table[LoadBalancer] = Table()
        self.listeners: Table[Listener] = Table()
        self.backends: Table[Backend] = Table()
        self.policies: Table[Policy] = Table()
        self.policy_rules: Table[PolicyRule] = Table()
        self.certificates: Table[ServerCertificate] = Table()
        self.instances: Table[Instance] = Table()
        self.images: Table[OwnImage] = Table()
        self.volumes: Table[Volume] = Table()
        self.snapshots: Table[Snapshot] = Table()
        self.nics: Table[Nic] = Table()
        self.keypairs: Table[KeyPair] = Table()
        self.attachments: Table[Attachment] = Table()
        self.tags: Table[Tag] = Table()
        self.default_group_id = default_group_id
        self._add_built_ins(now)

    def tables(self) -> dict[str, Table[Any]]:
        """Return all tables by name."""
        return {name: one for name, one in vars(self).items() if isinstance(one, Table)}

    def read_taggable(self, resource_type: str, resource_id: str) -> Resource:
        """Return an existing resource by kind and id. Raises `ResourceNotFound`."""
        resource = self._taggable().get(resource_type, {}).get(resource_id)
        if resource is None or not resource.is_alive:
            raise ResourceNotFound(resource_id)
        return resource

    def tags_of(self, resource: Resource) -> list[Tag]:
        key = (resource.kind, resource.id)
        return [tag for tag in self.tags.values() if key in tag.attached]

    def drop_tags(self, resource: Resource) -> None:
        """Detach all tags from a resource under deletion."""
        for tag in self.tags.values():
            tag.attached.discard((resource.kind, resource.id))

    def disk_ids(self) -> set[str]:
        """Return the ids of all machines and images that may have a disk."""
        owners = (*self.instances.values(), *self.images.values())
        return {one.id for one in owners if one.status != "ceased"}

    def count(self) -> dict[str, int]:
        """Return the account's number of existing resources by kind, without zeros."""
        tables = (
            *self._taggable().values(),
            self.statics,
            self.rules,
            self.listeners,
            self.backends,
            self.policies,
            self.policy_rules,
            self.certificates,
            self.nics,
            self.tags,
        )
        existing = (r for table in tables for r in table.values() if r.is_alive)
        counts = Counter(r.kind for r in existing if not self._is_built_in(r))
        return dict(sorted(counts.items()))

    def _taggable(self) -> dict[str, Mapping[str, Resource]]:
        return {
            Instance.kind: self.instances,
            Router.kind: self.routers,
            Vxnet.kind: self.vxnets,
            Eip.kind: self.eips,
            LoadBalancer.kind: self.loadbalancers,
            SecurityGroup.kind: self.groups,
            KeyPair.kind: self.keypairs,
            OwnImage.kind: self.images,
            Volume.kind: self.volumes,
            Snapshot.kind: self.snapshots,
        }

    def _is_built_in(self, resource: Resource) -> bool:
        group_id = resource.group_id if isinstance(resource, Rule) else resource.id
        return group_id in (BASIC_VXNET, self.default_group_id)

    def _add_built_ins(self, now: datetime) -> None:
        self.vxnets.add(
            Vxnet(
                id=BASIC_VXNET,
                name="basic network",
                type=2,
                cidr="10.50.0.0/16",
                manager_ip="10.50.0.1",
                first_ip="10.50.0.2",
                last_ip="10.50.255.254",
                created_at=now,
            )
        )
        group = self.groups.add(
            SecurityGroup(id=self.default_group_id, name="default", is_default=True, created_at=now)
        )
        opened = {"icmp": ("8", "0"), "tcp": ("22", "22")}
        for number, (protocol, (val1, val2)) in enumerate(opened.items()):
            self.rules.add(
                Rule(
                    id=f"sgr-default{number}",
                    group_id=group.id,
                    protocol=protocol,
                    priority=1,
                    action="accept",
                    direction=0,
                    val1=val1,
                    val2=val2,
                    created_at=now,
                )
            )
        group.applied_rules = tuple(self.rules.values())

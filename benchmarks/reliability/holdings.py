"""What a cloud, a cluster and a vault hold, without ids and addresses: equal after equal runs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.reliability.child import NAME
from benchmarks.reliability.compare import Holdings
from benchmarks.reliability.ground import Ground
from clients.kubernetes import ClusterClient
from clients.qingcloud import QingCloud
from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError
from domain.kernel.names import Names
from domain.node.install import INSTANCE_LABEL
from domain.secrets.credentials import Credentials
from domain.secrets.kubeconfig import make_access
from localcloud.process import ask

NAMES = Names(NAME)


def read_holdings(ground: Ground) -> Holdings:
    """Read everything that a cluster of ours can leave anywhere."""
    cloud = _client(ground)
    found: dict[str, Counter[str]] = {
        kind: Counter(map(str, things)) for kind, things in _of_cloud(cloud)
    }
    counted = ask(ground.cloud, "GET", "status")["resources"]
    found["all resources"] = Counter({kind: count for kind, count in counted.items() if count})
    machines = [one for one in cloud.find_instances(NAMES.prefix) if one.is_alive]
    credentials = ground.vault.find()
    found |= _of_vault(credentials, machines)
    found["tables of f2cadm"] = Counter(_tables(ground.home.machines, machines))
    if credentials and machines:
        try:
            found |= _of_cluster(ground, machines)
        except (ClusterError, ValueError) as error:  # the latter without an address
            found["cluster"] = Counter([f"it does not answer: {type(error).__name__}"])
    return {kind: dict(things) for kind, things in found.items() if things}


def _of_cloud(cloud: QingCloud) -> Iterator[tuple[str, Iterable[object]]]:
    """The resources by kind; each is described by what must be equal."""
    roles: dict[str, str] = {}  # of ids and private addresses
    machines = [one for one in cloud.find_instances(NAMES.prefix) if one.is_alive]
    groups = [
        group
        for name in (NAMES.firewall, NAMES.machines)
        for group in cloud.find_security_groups(name)
    ]
    vpcs, balancers = cloud.find_vpcs(NAMES.router), cloud.find_loadbalancers(NAMES.balancer)
    eips, vxnets = cloud.find_eips(NAMES.address), cloud.find_vxnets(NAMES.vxnets)
    keypairs, tags = cloud.find_keypairs(NAMES.keypair), cloud.find_tags(NAMES.tag)
    named: tuple[Any, ...] = (*machines, *groups, *vpcs, *balancers, *eips, *vxnets, *keypairs)
    for one in (*named, *tags):
        roles[one.id] = one.name
    roles |= {machine.private_ip: machine.name for machine in machines}
    roles |= {balancer.private_ip: balancer.name for balancer in balancers}

    def role(name: str) -> str:
        return roles.get(name, "?") if name else "-"

    yield "routers", [(v.name, v.cidr, v.status, v.is_applied, role(v.security_group_id),
                       role(v.eip_id)) for v in vpcs]  # fmt: skip
    yield "vxnets", [(v.name, v.cidr, role(v.router_id)) for v in vxnets]
    yield "addresses", [(e.name, e.bandwidth_mbps, e.status, role(e.bound_to)) for e in eips]
    yield "security groups", [(group.name, group.is_applied) for group in groups]
    yield "rules", [(g.name, rule.spec) for g in groups for rule in cloud.list_rules(g.id)]
    yield "balancers", [(b.name, b.status, b.is_applied, role(b.vxnet_id)) for b in balancers]
    for balancer in balancers:
        listeners = cloud.list_listeners(balancer.id)
        roles |= {listener.id: listener.name for listener in listeners}
        yield "listeners", [(one.name, one.port) for one in listeners]
        yield (
            "backends",
            [
                (role(one.listener_id), role(one.instance_id), one.port)
                for one in cloud.list_backends(balancer.id)
            ],
        )
    yield (
        "forwards",
        [
            (v.name, f.spec.name, f.spec.public_port, role(f.spec.target), f.spec.target_port)
            for v in vpcs
            for f in cloud.list_port_forwards(v.id)
        ],
    )
    yield "key pairs", [(pair.name, len(pair.instance_ids)) for pair in keypairs]
    yield "machines", [
        (m.name, m.status, m.type_id, m.image_id, role(m.vxnet_id), role(m.security_group_id),
         sorted(map(role, m.keypair_ids)))
        for m in machines
    ]  # fmt: skip
    yield "tags", [tag.name for tag in tags]
    yield "tagged", [role(resource) for tag in tags for resource in tag.resource_ids]


def _of_vault(
    credentials: Credentials | None, machines: Iterable[Instance]
) -> Mapping[str, Counter[str]]:
    if credentials is None:
        return {}
    names = {machine.id: machine.name for machine in machines}
    return {
        "credentials": Counter({"ending" if credentials.ending else "kept": 1}),
        "host keys": Counter(names.get(one, "of no machine") for one in credentials.host_keys),
        "unused host keys": Counter(
            names.get(one, "of no machine") for one in credentials.next_host_keys
        ),
    }


def _tables(disks: Path, machines: Iterable[Instance]) -> Iterator[str]:
    """What the table of f2cadm on each machine lists."""
    names = {machine.id: machine.name for machine in machines}
    for file in disks.glob("*/**/etc/qingcloud/instance-id"):
        table = file.parents[1] / "f2cadm" / "servers"
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        listed = sorted(names.get(line.split()[2], "of no machine") for line in lines)
        yield f"{names.get(file.read_text().strip(), 'of no machine')}: {listed}"


def connect(ground: Ground) -> ClusterClient:
    """Connect to the cluster's API server, past the relays."""
    cloud, credentials = _client(ground), ground.vault.find()
    assert credentials is not None
    address = max(cloud.find_eips(NAMES.address), key=lambda eip: eip.bound_to).address
    url, now = f"https://{address}:8080", datetime.now(UTC)
    return ClusterClient(make_access(credentials.ca, url, "matrix", now, timedelta(hours=12)))


def _client(ground: Ground) -> QingCloud:
    running = ground.cloud
    return QingCloud(running.zone, running.key_id, running.secret, running.endpoint)


def _of_cluster(ground: Ground, machines: Iterable[Instance]) -> Mapping[str, Counter[str]]:
    with closing(connect(ground)) as api:
        nodes = list(api.list_nodes())
        tokens = api.list_join_tokens()
        stored = api.read("ConfigMap", "cluster-spec", "kube-system")
    names = {machine.id: machine.name for machine in machines}

    def described(labels: Mapping[str, str]) -> list[tuple[str, str]]:
        own = (INSTANCE_LABEL, "kubernetes.io/hostname")
        return sorted((key, value) for key, value in labels.items() if key not in own)

    spec: Any = json.loads(stored["data"]["spec.json"]) if stored else None
    return {
        "nodes": Counter(
            f"{names.get(node.labels.get(INSTANCE_LABEL, ''), 'of no machine')} ready={node.ready} "
            f"schedulable={node.schedulable} {described(node.labels)}"
            for node in nodes
        ),
        "join tokens": Counter({"token": len(tokens)} if tokens else {}),
        "description": Counter([json.dumps(spec, sort_keys=True)]),
    }

"""The report of a cluster, built from the inventory and from the cluster's API."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from domain.cloud.inventory import Inventory
from domain.cloud.planning import adopted_parts
from domain.cluster.api import Node
from domain.kernel.names import MASTERS, node_name
from domain.node.install import ADOPTED_LABEL, GROUP_LABEL
from domain.node.serving import Standing
from domain.observe.metrics.records import Sample
from domain.observe.metrics.report import machine_metrics
from domain.reports.cluster import ClusterReport, Endpoint, MachineLine, NodeLine
from domain.spec.kubernetes import DAEMON_PODS
from domain.spec.network import Access

ROLE = "node-role.kubernetes.io/control-plane"


def report_cluster(
    zone: str,
    inventory: Inventory,
    access: Access,
    nodes: Sequence[Node],
    pods: Mapping[str, int],
    standings: Mapping[str, Standing],
    *,
    api_ready: bool,
    ui_ready: bool,
) -> ClusterReport:
    """Build the report.

    Args:
        pods: workload pods by node name, as `ClusterApi.count_workload_pods` gives them.
        standings: by machine id.
    """
    address = inventory.public_address
    published = {forward.spec.public_port for forward in inventory.forwards} if address else set()

    def url(port: int) -> str:
        return f"https://{address}:{port}" if port in published else ""

    machines = [
        MachineLine(
            name=node_name(inventory.group_of(machine), machine.id),
            id=machine.id,
            group=inventory.group_of(machine),
            private_ip=machine.private_ip,
            status=machine.transition or str(machine.status),
            type_id=machine.type_id,
            fault=str(standings[machine.id].fault or ""),
        )
        for machine in inventory.instances
    ]
    lines = [
        NodeLine(
            name=node.name,
            group=node.labels.get(GROUP_LABEL, MASTERS if ROLE in node.labels else ""),
            ready=node.ready,
            schedulable=node.schedulable,
            pods=pods.get(node.name, 0),
            pods_allocatable=max(0, node.pods_allocatable - DAEMON_PODS),
            version=node.version,
            adopted=node.labels.get(ADOPTED_LABEL, ""),
        )
        for node in nodes
    ]
    return ClusterReport(
        cluster=inventory.name,
        zone=zone,
        api=Endpoint(url(access.api_port), api_ready),
        ui=Endpoint(url(access.ui_port) if ui_ready else "", ui_ready),
        machines=tuple(sorted(machines, key=lambda line: (line.group, line.name))),
        nodes=tuple(sorted(lines, key=lambda line: (line.group, line.name))),
        public_address=address,
        ssh_port=access.ssh_port if access.ssh_port in published else 0,
        vpc_cidr=inventory.vpc.cidr if inventory.vpc else "",
        vxnets=tuple(vxnet.cidr for vxnet in inventory.vxnets if vxnet.cidr),
        balancer_ip=inventory.balancer.private_ip if inventory.balancer else "",
        adopted=tuple(f"{kind} {one.id}" for kind, one in adopted_parts(inventory)),
    )


def with_metrics(report: ClusterReport, samples: Iterable[Sample]) -> ClusterReport:
    """Add metrics to the nodes of a report; `podsNum` is the report's own count."""
    known = {machine.name: machine.metrics for machine in machine_metrics(samples)}
    nodes = (
        replace(line, metrics={**known.get(line.name, {}), "podsNum": float(line.pods)})
        for line in report.nodes
    )
    return replace(report, nodes=tuple(nodes))

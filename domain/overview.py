"""A cluster's report, put together from what the cloud and the cluster's own API say."""

from collections.abc import Mapping, Sequence

from domain.bootstrap import GROUP_LABEL
from domain.cluster_api import Node
from domain.names import MASTERS, node_name
from domain.report import ClusterReport, Endpoint, MachineLine, NodeLine
from domain.spec import DAEMON_PODS, Access
from domain.view import ClusterView

ROLE = "node-role.kubernetes.io/control-plane"


def report_cluster(
    zone: str,
    view: ClusterView,
    access: Access,
    nodes: Sequence[Node],
    pods: Mapping[str, int],
    *,
    api_ready: bool,
    ui_ready: bool,
) -> ClusterReport:
    """Put the report together.

    Args:
        pods: workload pods by node name, as `ClusterApi.count_workload_pods` gives them.
    """
    address = view.public_address
    published = {forward.spec.public_port for forward in view.forwards} if address else set()

    def url(port: int) -> str:
        return f"https://{address}:{port}" if port in published else ""

    machines = [
        MachineLine(
            name=node_name(view.group_of(machine), machine.id),
            id=machine.id,
            group=view.group_of(machine),
            private_ip=machine.private_ip,
            status=machine.transition or str(machine.status),
            type_id=machine.type_id,
        )
        for machine in view.instances
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
        )
        for node in nodes
    ]
    return ClusterReport(
        cluster=view.name,
        zone=zone,
        api=Endpoint(url(access.api_port), api_ready),
        ui=Endpoint(url(access.ui_port) if ui_ready else "", ui_ready),
        machines=tuple(sorted(machines, key=lambda line: (line.group, line.name))),
        nodes=tuple(sorted(lines, key=lambda line: (line.group, line.name))),
        public_address=address,
        ssh_port=access.ssh_port if access.ssh_port in published else 0,
        vpc_cidr=view.vpc.cidr if view.vpc else "",
        vxnets=tuple(vxnet.cidr for vxnet in view.vxnets if vxnet.cidr),
        balancer_ip=view.balancer.private_ip if view.balancer else "",
    )

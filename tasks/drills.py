"""Steps of a drill."""

from domain.backup.drill import DrillReport, compare
from domain.kernel.ensured import Ensured
from domain.spec.cluster import ClusterSpec, parse_spec
from tasks.backups import KINDS
from tasks.cluster import Cluster
from tasks.restores import Opened
from tasks.steps import step


def throw_away_spec(cluster: Cluster, opened: Opened) -> ClusterSpec:
    """The description of a throw-away cluster: one node, with the networks of the backup's pods.

    Services keep their addresses in a snapshot, and etcd's data need their version of Kubernetes.
    """
    spec = parse_spec({**opened.facts.spec}, stored=True)
    cidrs = ("pod_cidr", "service_cidr")
    return parse_spec(
        {
            "name": cluster.name,
            "nodes": {"count": 1},
            "kubernetes": spec.kubernetes.model_dump(mode="json")
            | {"version": opened.label.kubernetes},
            "network": {name: str(getattr(spec.network, name)) for name in cidrs},
            "access": {"allowed_cidrs": list(spec.access.allowed_cidrs)},
        }
    )


@step("objects of {cluster.name}")
def compare_objects(cluster: Cluster, opened: Opened, began: float) -> Ensured[DrillReport]:
    """Compare the objects of a restored cluster with those that the backup names.

    Args:
        began: on the monotonic clock, when the drill began.
    """
    named = opened.facts.objects
    missing = compare(named, cluster.api().list_names(KINDS))
    seconds = round(cluster.clock.monotonic() - began, 1)
    report = DrillReport(opened.label.name, len(named), missing, seconds)
    return Ensured(report, report.sentence, failed=bool(missing))

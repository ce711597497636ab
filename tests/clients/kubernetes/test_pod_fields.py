"""Each field of a pod's spec is read for a decision, or listed here with the reason why not."""

from collections.abc import Iterator
from typing import Any

from clients.kubernetes.seen import state_from
from localcloud.kubernetes.controllers.placement import claim_problem, objection
from localcloud.kubernetes.controllers.pod_affinity import has_pod_affinity
from localcloud.kubernetes.objects.pods import demand_of
from localcloud.kubernetes.objects.schema import record

UNREAD = {
    "by other means": {
        "preemptionPolicy": "the scheduler names the node in the status, or does not",
        "priorityClassName": "the API server has set priority from it",
        "runtimeClassName": "the API server has merged overhead, node selector and tolerations",
        "schedulerName": "the condition is read, whichever scheduler has written it",
        "schedulingGroup": "pods of a group are packed together when they wait together",
    },
    "kubelet refuses a pod of another system": {"os": "all machines run Linux"},
    "only once the containers run": {
        "activeDeadlineSeconds", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
        "enableServiceLinks", "ephemeralContainers", "hostAliases", "hostIPC", "hostPID",
        "hostUsers", "hostname", "hostnameOverride", "imagePullSecrets", "readinessGates",
        "restartPolicy", "securityContext", "serviceAccount", "serviceAccountName",
        "setHostnameAsFQDN", "shareProcessNamespace", "subdomain",
        "terminationGracePeriodSeconds",
    },
}  # fmt: skip


class Noting(dict[str, Any]):
    """A record that notes which of its fields are read."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)


FULL = {
    "containers": [{"name": "c"}],
    "volumes": [{"name": "v", "emptyDir": {}}],
}


def read_by_us() -> set[str]:
    """Fields that are read of a pod on a node, of one that waits, and of one behind a gate."""

    def pods() -> Iterator[dict[str, Any]]:
        told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        for fields in ({"nodeName": "n"}, {}, {"schedulingGates": [{"name": "g"}]}):
            yield {
                "metadata": {"name": "p", "namespace": "default"},
                "spec": Noting(FULL | fields),
                "status": {"phase": "Pending", "conditions": [told]},
            }

    made = list(pods())
    state_from([], made, [])
    return set().union(*(pod["spec"].read for pod in made))


def read_by_the_emulated_scheduler() -> set[str]:
    spec = Noting({"containers": [{"name": "c"}]})
    pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    objection({"metadata": {"name": "n"}}, spec)
    demand_of(spec)
    claim_problem(pod)
    has_pod_affinity(pod)
    return spec.read


def test_fields_that_are_not_read_are_listed() -> None:
    listed = [name for names in UNREAD.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(record("core.v1.PodSpec").fields) - read_by_us() == set(listed)


def test_what_the_emulated_scheduler_reads_is_read_for_decisions_too() -> None:
    assert read_by_the_emulated_scheduler() <= read_by_us()

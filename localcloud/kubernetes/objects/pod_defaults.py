"""Defaults of pods and pod templates; see `defaults` for other kinds."""

from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.kubernetes.objects.pods import PREFERRED, REQUIRED
from localcloud.kubernetes.objects.quantities import canonical

Body = dict[str, Any]

_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
NOT_READY = "node.kubernetes.io/not-ready"
_LEAVING_NODES = (NOT_READY, "node.kubernetes.io/unreachable")


def quantities(values: Any, *names: str) -> None:
    """Normalize the quantities of a record: all, or the named ones."""
    if isinstance(values, dict):
        for name in names or tuple(values):
            if name in values:
                values[name] = canonical(values[name])


def complete_pod_spec(spec: Body) -> None:
    """Complete a pod's spec, in a pod or in a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in _containers(spec):
        if isinstance(container, dict):
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes", ()):
        if volume.keys() == {"name"}:
            volume["emptyDir"] = {}
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 0o644)
        if isinstance(volume.get("hostPath"), dict):
            volume["hostPath"].setdefault("type", "")
        if isinstance(volume.get("emptyDir"), dict):
            quantities(volume["emptyDir"], "sizeLimit")


def _containers(spec: Mapping[str, Any]) -> Iterator[Any]:
    yield from spec.get("initContainers", ())
    yield from spec.get("containers", ())


def _container(container: Body, *, host_network: bool) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image", ""))))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    for field in ("limits", "requests"):
        quantities(resources.get(field))
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
        if host_network:
            port.setdefault("hostPort", port.get("containerPort"))
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference:
            reference.setdefault("apiVersion", "v1")


def _pull_policy(image: str) -> str:
    name = image.rpartition("/")[2]
    moving = "@" not in name and (":" not in name or name.endswith(":latest"))
    return "Always" if moving else "IfNotPresent"


def _probe(probe: Body) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe.setdefault(field, value)
    if isinstance(probe.get("httpGet"), dict):
        probe["httpGet"].setdefault("scheme", "HTTP")
        probe["httpGet"].setdefault("path", "/")


def complete_pod(pod: Body) -> None:
    """Complete a pod that is not a template, with its initial status."""
    spec = pod.setdefault("spec", {})
    spec.setdefault("serviceAccountName", "default")
    complete_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", _PRIORITIES.get(spec.get("priorityClassName", ""), 0))
    _tolerate_leaving_nodes(spec)
    _resolve_label_keys(spec, (pod.get("metadata") or {}).get("labels") or {})
    for container in _containers(spec):
        resources = container["resources"]
        if resources.get("limits"):  # a template gets no default requests
            resources["requests"] = {**resources["limits"], **resources.get("requests", {})}
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", _quality_of_service(spec))
    for condition in status.get("conditions", ()):
        condition.setdefault("lastProbeTime", None)
    for field in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(field, ()):
            for key, value in (("imageID", ""), ("ready", False), ("restartCount", 0)):
                container.setdefault(key, value)


def _tolerate_leaving_nodes(spec: Body) -> None:
    """Add the default tolerations of five minutes for not-ready and unreachable nodes."""
    tolerations = spec.setdefault("tolerations", [])
    for key in _LEAVING_NODES:
        tolerated = any(
            item.get("key") in (key, None, "") and item.get("effect") in ("NoExecute", None, "")
            for item in tolerations
        )
        if not tolerated:
            tolerations.append(
                {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300}
            )


def _resolve_label_keys(spec: Body, labels: Mapping[str, str]) -> None:
    """Merge the values of matchLabelKeys into the selectors."""
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for term in terms.get(REQUIRED, ()):
            _resolve_keys(term, labels)
        for choice in terms.get(PREFERRED, ()):
            _resolve_keys(choice.get("podAffinityTerm") or {}, labels)
    for constraint in spec.get("topologySpreadConstraints", ()):
        _resolve_keys(constraint, labels)


def _resolve_keys(term: Body, labels: Mapping[str, str]) -> None:
    selector = term.get("labelSelector")
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field, ()):
            if selector is None or key not in labels:
                continue
            wanted = {"key": key, "operator": operator, "values": [labels[key]]}
            expressions = selector.setdefault("matchExpressions", [])
            if wanted not in expressions:  # not on a second pass
                expressions.append(wanted)


def _quality_of_service(spec: Mapping[str, Any]) -> str:
    """Return BestEffort, Burstable or Guaranteed, by the resources of all containers."""

    def sizes(part: str) -> list[str]:
        given = (container["resources"].get(part) or {} for container in _containers(spec))
        return [amounts.get(name, "0") for amounts in given for name in ("cpu", "memory")]

    requests, limits = sizes("requests"), sizes("limits")
    if {*requests, *limits} == {"0"}:
        return "BestEffort"
    return "Guaranteed" if requests == limits and "0" not in limits else "Burstable"

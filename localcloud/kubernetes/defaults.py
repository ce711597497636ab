"""What the API server fills in where a manifest is silent, and what it writes differently.

Every function completes a body in place; the body belongs to the request. All of them may run
again on their own result.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.kubernetes import kinds
from localcloud.kubernetes.kinds import Kind

Body = dict[str, Any]

_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_NODE_INFO = (
    "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion",
    "kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID",
)  # fmt: skip
_LEAVING_NODES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def without_nulls(value: Any) -> Any:
    """Copy a document without its nulls, which mean "not given"."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def complete(kind: Kind, body: Body) -> None:
    """Fill in the defaults of one kind."""
    completer = _COMPLETERS.get(kind)
    if completer:
        completer(body)


def quantities(values: Any) -> None:
    """Write quantities as text: clients with strict types fail on `cpu: 8`."""
    if isinstance(values, dict):
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values[name] = f"{value:g}" if isinstance(value, float) else str(value)


# Pods


def pod_spec(spec: Body) -> None:
    """Complete a pod's wishes, in a pod or in a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        if isinstance(container, dict):
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes", ()):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 0o644)
        if isinstance(volume.get("hostPath"), dict):
            volume["hostPath"].setdefault("type", "")
        if isinstance(volume.get("emptyDir"), dict):
            quantities(volume["emptyDir"])


def _container(container: Body, *, host_network: bool) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image", ""))))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    for field in ("limits", "requests"):
        quantities(resources.get(field))
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **resources.get("requests", {})}
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


def _pod(pod: Body) -> None:
    spec = pod.setdefault("spec", {})
    spec.setdefault("serviceAccountName", "default")
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", _PRIORITIES.get(spec.get("priorityClassName", ""), 0))
    _tolerate_leaving_nodes(spec)
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", quality_of_service(spec))
    for condition in status.get("conditions", ()):
        condition.setdefault("lastProbeTime", None)
    for field in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(field, ()):
            for key, value in (("imageID", ""), ("ready", False), ("restartCount", 0)):
                container.setdefault(key, value)


def _tolerate_leaving_nodes(spec: Body) -> None:
    """Let a pod stay for five minutes on a node that has fallen silent, unless it says else."""
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


def quality_of_service(spec: Mapping[str, Any]) -> str:
    """BestEffort, Burstable or Guaranteed, from requests and limits."""
    resources = [container.get("resources") or {} for container in spec.get("containers", ())]
    if not any(item.get("requests") or item.get("limits") for item in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (item.get("limits") or {}).keys()
        and item.get("requests", item["limits"]) == item["limits"]
        for item in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


# Controllers of pods


def _template(spec: Body) -> Body:
    """Complete the pod template of a controller; returns the template's labels."""
    template = spec.get("template")
    if not isinstance(template, dict):
        return {}
    template.setdefault("metadata", {})
    if isinstance(template.get("spec"), dict):
        pod_spec(template["spec"])
    labels: Body = template["metadata"].get("labels") or {}
    return labels


def _replication_controller(body: Body) -> None:
    spec = body.setdefault("spec", {})
    labels = _template(spec)
    spec.setdefault("replicas", 1)
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        body["metadata"].setdefault("labels", dict(labels))
    body.setdefault("status", {}).setdefault("replicas", 0)


def _replica_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    body.setdefault("status", {}).setdefault("replicas", 0)


def _rolling(strategy: Body, defaults: Mapping[str, Any]) -> None:
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for field, value in defaults.items():
            rolling.setdefault(field, value)


def _deployment(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    _rolling(spec.setdefault("strategy", {}), {"maxSurge": "25%", "maxUnavailable": "25%"})
    body.setdefault("status", {})


def _daemon_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _template(spec)
    spec.setdefault("revisionHistoryLimit", 10)
    _rolling(spec.setdefault("updateStrategy", {}), {"maxSurge": 0, "maxUnavailable": 1})
    status = body.setdefault("status", {})
    for field in (
        "currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady",
    ):  # fmt: skip
        status.setdefault(field, 0)


def _disruption_budget(body: Body) -> None:
    body.setdefault("spec", {})
    status = body.setdefault("status", {})
    for field in ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"):
        status.setdefault(field, 0)


# Everything else


def taint_new_node(body: Body) -> None:
    """Keep pods away from a node that nobody has seen ready yet, as admission does."""
    taints = body.setdefault("spec", {}).setdefault("taints", [])
    if not any(taint.get("key") == _LEAVING_NODES[0] for taint in taints):
        taints.append({"effect": "NoSchedule", "key": _LEAVING_NODES[0]})


def _node(body: Body) -> None:
    body.setdefault("spec", {})
    status = body.setdefault("status", {})
    quantities(status.get("capacity"))
    quantities(status.get("allocatable"))
    if status.get("capacity"):
        status.setdefault("allocatable", dict(status["capacity"]))
    status.setdefault("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}})
    info = status.setdefault("nodeInfo", {})
    for field in _NODE_INFO:
        info.setdefault(field, "")


def _namespace(body: Body) -> None:
    labels = body["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = body["metadata"].get("name", "")
    body.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    body.setdefault("status", {}).setdefault("phase", "Active")


def _service(body: Body) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports", ()):
        if isinstance(port, dict):
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def _secret(body: Body) -> None:
    body.setdefault("type", "Opaque")
    plain = body.pop("stringData", None)
    if plain:  # for writing only
        encoded = {name: b64encode(text.encode()).decode() for name, text in plain.items()}
        body["data"] = {**body.get("data", {}), **encoded}


def _binding(body: Body) -> None:
    body["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", **body.get("roleRef", {})}
    for subject in body.get("subjects", ()):
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _endpoint_slice(body: Body) -> None:
    body.setdefault("endpoints", [])
    for port in body.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")


_COMPLETERS: dict[Kind, Callable[[Body], None]] = {
    kinds.POD: _pod,
    kinds.REPLICATION_CONTROLLER: _replication_controller,
    kinds.REPLICA_SET: _replica_set,
    kinds.DEPLOYMENT: _deployment,
    kinds.DAEMON_SET: _daemon_set,
    kinds.POD_DISRUPTION_BUDGET: _disruption_budget,
    kinds.NODE: _node,
    kinds.NAMESPACE: _namespace,
    kinds.SERVICE: _service,
    kinds.SECRET: _secret,
    kinds.ROLE_BINDING: _binding,
    kinds.CLUSTER_ROLE_BINDING: _binding,
    kinds.ENDPOINT_SLICE: _endpoint_slice,
}

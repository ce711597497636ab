"""The Node object and its status, as written by a kubelet."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEASE_SECONDS = 40  # validity of a kubelet's lease
EVICTION_KIB = 100 * 1024  # memory that kubelet keeps free, as upstream by default
KERNEL_KIB = 96 * 1024  # the kernel's image and the firmware's areas, which no program sees
PAGE_TABLE = 64  # one 64th of the memory is the kernel's records of pages
DISK_KIB = 50_620_216
DISK_SHARE = 0.9  # of the disk, as kubelet evicts pods when a tenth is free


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The machine and the settings of a kubelet."""

    name: str
    vpc: str
    address: str
    version: str  # "v1.36.4"
    max_pods: int
    vcpus: int
    memory_mib: int
    os_image: str
    labels: Mapping[str, str]
    taints: tuple[dict[str, Any], ...]
    static_pods: tuple[dict[str, Any], ...]
    disk: Path | None = None  # the machine's root, for what pods mount of it


def new_node(config: NodeConfig) -> dict[str, Any]:
    """Return the object by which a kubelet registers its node."""
    # A new node takes no pods until it is ready; upstream adds this taint at admission.
    not_ready = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.name,
            "labels": node_labels(config),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"taints": [*config.taints, not_ready]},
    }


def node_labels(config: NodeConfig) -> dict[str, str]:
    """Return the labels that a kubelet sets, including configured ones."""
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": "linux",
        **config.labels,
    }


def node_status(config: NodeConfig, has_network: bool, now: str) -> dict[str, Any]:
    """Return the status of a node.

    Args:
        has_network: whether a network plug-in is set up; without one a node is not ready.
    """
    memory = config.memory_mib * 1024
    memory = max(memory - memory // PAGE_TABLE - KERNEL_KIB, 0)
    capacity = {
        "cpu": str(config.vcpus),
        "ephemeral-storage": f"{DISK_KIB}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{memory}Ki",
        "pods": str(config.max_pods),
    }
    return {
        "addresses": [
            {"type": "InternalIP", "address": config.address},
            {"type": "Hostname", "address": config.name},
        ],
        "capacity": capacity,
        "allocatable": {
            **capacity,
            "ephemeral-storage": str(int(DISK_KIB * 1024 * DISK_SHARE)),
            "memory": f"{max(memory - EVICTION_KIB, 0)}Ki",
        },
        "conditions": _conditions(has_network, now),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": _node_info(config),
    }


def _conditions(has_network: bool, now: str) -> list[dict[str, Any]]:
    ready = (
        ("True", "KubeletReady", "kubelet is posting ready status")
        if has_network
        else (
            "False",
            "KubeletNotReady",
            "container runtime network not ready: NetworkReady=false "
            "reason:NetworkPluginNotReady message:Network plugin returns error: "
            "cni plugin not initialized",
        )
    )
    rows = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
    ]
    described = [
        (kind, status, reason, f"kubelet has {text}") for kind, status, reason, text in rows
    ]
    if has_network:
        described.insert(
            0, ("NetworkUnavailable", "False", "FlannelIsUp", "Flannel is running on this node")
        )
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
        }
        for kind, status, reason, message in (*described, ("Ready", *ready))
    ]


def _node_info(config: NodeConfig) -> dict[str, str]:
    seed = hashlib.sha256(f"{config.vpc}/{config.name}".encode()).digest()
    identity = str(uuid.UUID(bytes=seed[:16]))
    return {
        "architecture": "amd64",
        "bootID": str(uuid.UUID(bytes=seed[16:])),
        "containerRuntimeVersion": "containerd://2.3.1",
        "kernelVersion": "6.8.0-local-cloud",
        "kubeProxyVersion": "",
        "kubeletVersion": config.version,
        "machineID": identity.replace("-", ""),
        "operatingSystem": "linux",
        "osImage": config.os_image,
        "systemUUID": identity,
    }

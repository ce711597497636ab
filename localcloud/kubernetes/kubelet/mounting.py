"""The objects that a pod needs from the API before its containers start."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.clock import Clock
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import (
    CLAIM,
    CONFIG_MAP,
    CSI_DRIVER,
    PERSISTENT_VOLUME,
    POD,
    SECRET,
    VOLUME_ATTACHMENT,
    Kind,
)
from localcloud.kubernetes.objects.names import attachment_name

AGAIN = 2.0  # seconds between checks for a missing object
SOON = 0.2  # seconds between checks of a volume that is being attached

_KINDS = {"secret": SECRET, "configMap": CONFIG_MAP}
_REFERENCES = {
    "configMapKeyRef": CONFIG_MAP,
    "secretKeyRef": SECRET,
    "configMapRef": CONFIG_MAP,
    "secretRef": SECRET,
}


@dataclass(frozen=True, slots=True)
class Need:
    """An object that a pod needs, with the keys that it must have."""

    kind: Kind
    name: str
    keys: tuple[str, ...] = ()
    optional: bool = False
    volume: str = ""


async def mount(pod: Obj, api: ApiClient, clock: Clock, events: EventRecorder) -> dict[str, Obj]:
    """Wait for all objects that a pod mounts, and return its Secrets by name.

    A volume of a claim is waited for until it is attached to the pod's node.

    Raises:
        ApiFailure: any other failure than a missing object.
    """
    secrets = {}
    for need in _mounts(pod):
        while True:
            found, problem = await _find(api, pod, need)
            if problem is None:
                break
            message = f'MountVolume.SetUp failed for volume "{need.volume}" : {problem}'
            events.record(POD, pod, "FailedMount", message, warning=True)
            await clock.sleep(AGAIN)
        if found is not None and need.kind is SECRET:
            secrets[need.name] = found
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            while (problem := await _find_claim_problem(pod, api, claim["claimName"])) is not None:
                if problem:
                    message = (
                        f"Unable to attach or mount volumes: unmounted volumes=[{volume['name']}]: "
                        f"{problem}"
                    )
                    events.record(POD, pod, "FailedMount", message, warning=True)
                await clock.sleep(AGAIN if problem else SOON)
    return secrets


async def _find_claim_problem(pod: Obj, api: ApiClient, name: str) -> str | None:
    """Return why the volume of a claim is not on the node; empty while it is being attached."""
    claim = await _read(api, CLAIM, name, pod["metadata"]["namespace"])
    if claim is None:
        return f'error processing PVC: persistentvolumeclaim "{name}" not found'
    volume = await _read(api, PERSISTENT_VOLUME, claim["spec"].get("volumeName") or "none")
    if volume is None or claim.get("status", {}).get("phase") != "Bound":
        return f"error processing PVC: PVC {pod['metadata']['namespace']}/{name} is not bound"
    csi = volume["spec"].get("csi")
    if csi is None:
        return None
    driver = await _read(api, CSI_DRIVER, csi["driver"])
    if driver is not None and not driver["spec"].get("attachRequired", True):
        return None
    attached = attachment_name(csi["driver"], csi["volumeHandle"], pod["spec"]["nodeName"])
    attachment = await _read(api, VOLUME_ATTACHMENT, attached)
    return None if attachment and (attachment.get("status") or {}).get("attached") else ""


async def _read(api: ApiClient, kind: Kind, name: str, namespace: str = "") -> Obj | None:
    try:
        found: Obj = await api.request("GET", kind.path(namespace, name))
    except ApiFailure as failure:
        if failure.status != 404:
            raise
        return None
    return found


async def find_config_problem(pod: Obj, api: ApiClient) -> str | None:
    """Return why the environment of a container cannot be set; None where it can.

    Raises:
        ApiFailure: any other failure than a missing object.
    """
    for need in _references(pod):
        _, problem = await _find(api, pod, need)
        if problem is not None:
            return problem
    return None


async def _find(api: ApiClient, pod: Obj, need: Need) -> tuple[Obj | None, str | None]:
    """Return an object, and what is missing."""
    namespace = pod["metadata"]["namespace"]
    try:
        found: Obj = await api.request("GET", need.kind.path(namespace, need.name))
    except ApiFailure as failure:
        if failure.status != 404:
            raise
        return None, None if need.optional else failure.message
    data = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
    missing = [key for key in need.keys if key not in data]
    if not missing or need.optional:
        return found, None
    if need.volume:
        return found, f"references non-existent {_word(need.kind)} key: {missing[0]}"
    return found, f"couldn't find key {missing[0]} in {need.kind.kind} {namespace}/{need.name}"


def _word(kind: Kind) -> str:
    return "secret" if kind is SECRET else "config"


def _mounts(pod: Obj) -> Iterator[Need]:
    for volume in pod["spec"].get("volumes") or ():
        projected = (volume.get("projected") or {}).get("sources") or ()
        for source in (volume, *projected):
            for field, kind in _KINDS.items():
                if reference := source.get(field):
                    yield Need(
                        kind,
                        reference.get("secretName") or reference.get("name", ""),
                        tuple(item["key"] for item in reference.get("items") or ()),
                        bool(reference.get("optional")),
                        volume["name"],
                    )


def _references(pod: Obj) -> Iterator[Need]:
    spec: dict[str, Any] = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        sources = [one.get("valueFrom") or {} for one in container.get("env") or ()]
        for source in (*sources, *(container.get("envFrom") or ())):
            for field, kind in _REFERENCES.items():
                if reference := source.get(field):
                    keys = (reference["key"],) if "key" in reference else ()
                    name = reference.get("name", "")
                    yield Need(kind, name, keys, bool(reference.get("optional")))

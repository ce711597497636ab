"""The Secrets and ConfigMaps that a pod mounts."""

from localcloud.clock import Clock
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, POD, SECRET

AGAIN = 2.0  # seconds between checks for a missing object

_SOURCES = (("secret", SECRET, "secretName"), ("configMap", CONFIG_MAP, "name"))


async def mount(pod: Obj, api: ApiClient, clock: Clock, events: EventRecorder) -> dict[str, Obj]:
    """Wait for all objects that a pod mounts, and return its Secrets by name.

    Raises:
        ApiFailure: any other failure than a missing object.
    """

    async def wait_for(volume: str, path: str, *, optional: bool) -> Obj | None:
        while True:
            try:
                found: Obj = await api.request("GET", path)
            except ApiFailure as failure:
                if failure.status != 404:
                    raise
                if optional:
                    return None
                message = f'MountVolume.SetUp failed for volume "{volume}" : {failure.message}'
                events.record(POD, pod, "FailedMount", message, warning=True)
            else:
                return found
            await clock.sleep(AGAIN)

    secrets = {}
    for volume in pod["spec"].get("volumes") or ():
        for field, kind, key in _SOURCES:
            if source := volume.get(field):
                path = kind.path(pod["metadata"]["namespace"], source[key])
                optional = bool(source.get("optional"))
                found = await wait_for(volume["name"], path, optional=optional)
                if found is not None and kind is SECRET:
                    secrets[source[key]] = found
    return secrets

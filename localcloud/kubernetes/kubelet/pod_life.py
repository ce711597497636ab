"""The lives of the pods on one node: taken or refused, started, running, ended."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.client.writes import delete, strategic_status
from localcloud.kubernetes.kubelet.mounting import mount
from localcloud.kubernetes.kubelet.node_status import NodeConfig
from localcloud.kubernetes.kubelet.pod_addresses import PodAddresses
from localcloud.kubernetes.kubelet.pod_status import (
    CREATING,
    refused_status,
    running_status,
    succeeded_status,
    waiting_status,
)
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import POD
from localcloud.kubernetes.objects.pods import is_finished, is_leaving
from localcloud.kubernetes.pods import images
from localcloud.kubernetes.pods.http import ReadApi
from localcloud.kubernetes.pods.network import (
    BrokenCertificate,
    PodNetwork,
    RunningPod,
    tls_contexts,
)
from localcloud.profiles import Profile

LONGEST_GRACE = 2.0  # seconds; what does not run ends sooner than it may
TRY_AGAIN = 1.0  # seconds after a call that failed

GONE = (404, 409)
"""The pod is no longer there, or another one has its name."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """The node as its pods see it."""

    api: ApiClient
    clock: Clock
    profile: Profile
    node: NodeConfig
    events: EventRecorder
    addresses: PodAddresses
    read: ReadApi
    network_came_up: Callable[[], None]
    has_network: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Life:
    """One pod on this node."""

    pod: Obj
    address: str = ""
    ending: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])


class PodLives:
    """Brings the pods of a node to life and to their end, each in a task of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lives: dict[str, Life] = {}
        self._network: PodNetwork | None = None

    def begin(self, network: PodNetwork) -> None:
        """Let pods answer in a pod network from now on."""
        self._network = network

    async def end(self) -> None:
        """Drop everything, telling nobody."""
        tasks = [life.task for life in self._lives.values() if life.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for life in self._lives.values():
            self._silence(life)
        self._lives.clear()

    def pods(self) -> list[Obj]:
        """Return the pods that live on this node, in the order in which they came."""
        return [life.pod for life in self._lives.values()]

    def pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Take note of a pod of this node."""
        if before is not None and (
            after is None or after["metadata"]["uid"] != before["metadata"]["uid"]
        ):
            self._forget(before["metadata"]["uid"])
        if after is None:
            return
        life = self._lives.get(after["metadata"]["uid"])
        if life is not None:
            life.pod = after
        elif not is_finished(after) or is_leaving(after):
            step = self._refuse if self._is_full() else self._live
            life = self._lives[after["metadata"]["uid"]] = Life(after)
            if not is_leaving(after):
                self._work(life, step)
        if life is not None and is_leaving(after) and not life.ending:
            life.ending = True
            self._work(life, self._end)

    def _forget(self, uid: str) -> None:
        life = self._lives.pop(uid, None)
        if life is not None:
            if life.task is not None:
                life.task.cancel()
            self._silence(life)

    def _silence(self, life: Life) -> None:
        """Let a pod answer no more, and free its address."""
        if life.address:
            if self._network is not None:
                self._network.remove(life.address, life.uid)
            self._host.addresses.give_back(life.address)
            life.address = ""

    def _work(self, life: Life, step: Callable[[Life], Any]) -> None:
        if life.task is not None:
            life.task.cancel()
        life.task = asyncio.get_running_loop().create_task(
            self._persist(life, step), name=f"pod {life.pod['metadata']['name']}"
        )

    async def _persist(self, life: Life, step: Callable[[Life], Any]) -> None:
        """Do one step of a life, again and again while the API does not answer."""
        while True:
            try:
                await step(life)
                return
            except ApiFailure as failure:
                if failure.status in GONE:
                    return  # the hub will tell
                log.warning("pod %s: %s", life.pod["metadata"]["name"], failure)
            except OSError as failure:
                log.warning("pod %s: %s", life.pod["metadata"]["name"], failure)
            except Exception:
                log.exception("pod %s", life.pod["metadata"]["name"])
                return
            await self._host.clock.sleep(TRY_AGAIN)

    async def _live(self, life: Life) -> None:
        restarts = _restarts(life.pod)
        if not restarts:
            await self._write(life, self._waiting(life, CREATING))
        secrets = await mount(life.pod, self._host.api, self._host.clock, self._host.events)
        if any(images.is_missing(one["image"]) for one in life.pod["spec"]["containers"]):
            await self._fail_to_pull(life)
            return
        own_network = not life.pod["spec"].get("hostNetwork")
        if own_network:
            await self._host.has_network.wait()
            await self._host.addresses.known.wait()
        await self._host.clock.sleep(self._host.profile.start_pod)
        try:
            tls = tls_contexts(life.pod, secrets)
        except BrokenCertificate as error:
            await self._fail_to_run(life, str(error))
            return
        address = self._address(life) if own_network else self._host.node.address
        if self._network is not None and own_network:
            self._network.add(address, RunningPod(life.pod, self._host.read, tls))
        await self._run(life, address, restarts)

    def _address(self, life: Life) -> str:
        if not life.address:
            life.address = self._host.addresses.take(life.pod.get("status", {}).get("podIP"))
        return life.address

    async def _run(self, life: Life, address: str, restarts: int) -> None:
        host = self._host.node.address
        if _ends_by_itself(life.pod):
            await self._host.clock.sleep(self._host.profile.start_pod)
            now = stamp(self._host.clock.now())
            await self._write(life, succeeded_status(life.pod, host, address, now))
            self._silence(life)
            return
        now = stamp(self._host.clock.now())
        await self._write(life, running_status(life.pod, host, address, now, restarts))
        self._tell_started(life)
        if not self._host.has_network.is_set() and _is_network_plugin(life.pod):
            self._host.has_network.set()
            self._host.network_came_up()

    async def _end(self, life: Life) -> None:
        self._silence(life)
        grace = life.pod["metadata"].get("deletionGracePeriodSeconds") or 0
        self._tell(life, "Killing", "Stopping container {name}")
        await self._host.clock.sleep(min(grace, LONGEST_GRACE, self._host.profile.start_pod))
        await delete(self._host.api, POD, life.pod, grace=0)

    def _is_full(self) -> bool:
        """Say whether the pods on this node are as many as it takes."""
        taken = sum(not is_finished(life.pod) and not life.ending for life in self._lives.values())
        return taken >= self._host.node.max_pods

    async def _refuse(self, life: Life) -> None:
        most = self._host.node.max_pods
        told = (
            "Pod was rejected: Node didn't have enough resource: pods, "
            f"requested: 1, used: {most}, capacity: {most}"
        )
        await self._write(life, refused_status("OutOfpods", told, stamp(self._host.clock.now())))
        self._host.events.record(POD, life.pod, "OutOfpods", told, warning=True)

    async def _fail_to_pull(self, life: Life) -> None:
        image = next(
            one["image"]
            for one in life.pod["spec"]["containers"]
            if images.is_missing(one["image"])
        )
        told = f'Back-off pulling image "{image}"'
        self._tell(life, "Failed", f'Failed to pull image "{image}": not found', warning=True)
        self._tell(life, "BackOff", told, warning=True)
        why = {"reason": "ImagePullBackOff", "message": told}
        await self._write(life, self._waiting(life, why))

    async def _fail_to_run(self, life: Life, problem: str) -> None:
        self._tell(life, "BackOff", "Back-off restarting failed container {name}", warning=True)
        why = {"reason": "CrashLoopBackOff", "message": problem}
        await self._write(life, self._waiting(life, why))

    def _waiting(self, life: Life, why: dict[str, str]) -> dict[str, Any]:
        now = stamp(self._host.clock.now())
        return waiting_status(life.pod, self._host.node.address, now, why)

    async def _write(self, life: Life, status: dict[str, Any]) -> None:
        life.pod = await strategic_status(self._host.api, POD, life.pod, status)

    def _tell_started(self, life: Life) -> None:
        for container in life.pod["spec"]["containers"]:
            image = container["image"]
            for reason, told in (
                ("Pulled", f'Container image "{image}" already present on machine'),
                ("Created", f"Created container: {container['name']}"),
                ("Started", f"Started container {container['name']}"),
            ):
                self._host.events.record(POD, life.pod, reason, told)

    def _tell(self, life: Life, reason: str, text: str, *, warning: bool = False) -> None:
        name = life.pod["spec"]["containers"][0]["name"]
        told = text.replace("{name}", name)
        self._host.events.record(POD, life.pod, reason, told, warning=warning)


def _restarts(pod: Obj) -> int:
    """Return which restart of its containers a pod begins: 0 for one that never ran."""
    status = pod.get("status", {})
    if status.get("phase") != "Running":
        return 0
    counts = [one.get("restartCount", 0) for one in status.get("containerStatuses") or ()]
    return max(counts, default=0) + 1


def _ends_by_itself(pod: Obj) -> bool:
    """Say whether a pod does its work and ends: it may, and nothing in it serves."""
    return pod["spec"].get("restartPolicy", "Always") != "Always" and not images.programs_of(pod)


def _is_network_plugin(pod: Obj) -> bool:
    return any("flannel" in container["image"] for container in pod["spec"]["containers"])

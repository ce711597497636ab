"""The pods of one node: accepted or rejected, started, running, ended."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.access.users import User, account_of
from localcloud.kubernetes.client.events import EventRecorder
from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.client.writes import delete, strategic_status
from localcloud.kubernetes.kubelet.mounting import find_config_problem, mount
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
from localcloud.kubernetes.programs import Broken, Place, find_programs
from localcloud.profiles import Profile

LONGEST_GRACE = 2.0  # seconds; shorter than real grace periods, because nothing runs
TRY_AGAIN = 1.0  # seconds after a call that failed
FIRST_PULL_PAUSE, LONGEST_PULL_PAUSE = 10.0, 300.0  # seconds, as upstream
CONFIG_PAUSE = 10.0  # seconds between checks for a missing ConfigMap or Secret

GONE = (404, 409)
"""The pod is gone, or another one has its name."""

log = logging.getLogger(__name__)


class Bridge(Protocol):
    """The bridge of a machine's pods."""

    def find_problem(self, network: str) -> str:
        """Return why a pod of this network cannot be attached, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """The node of the pods."""

    api: ApiClient
    clock: Clock
    profile: Profile
    node: NodeConfig
    events: EventRecorder
    addresses: PodAddresses
    read: ReadApi
    network_came_up: Callable[[], None]
    bridge: Bridge | None = None
    client_of: Callable[[User], ApiClient] | None = None  # without it, programs are the kubelet
    has_network: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class PodWorker:
    """One pod on this node, with the task that runs it."""

    pod: Obj
    address: str = ""
    ending: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])


class PodWorkers:
    """Starts and ends the pods of a node, each in a task of its own."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._workers: dict[str, PodWorker] = {}
        self._network: PodNetwork | None = None

    def begin(self, network: PodNetwork) -> None:
        """Connect the pods to a pod network."""
        self._network = network

    async def end(self) -> None:
        """Cancel everything without a message to the API."""
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self._workers.values():
            self._disconnect(worker)
        self._workers.clear()

    def pods(self) -> list[Obj]:
        """Return the pods of this node, in the order of their arrival."""
        return [worker.pod for worker in self._workers.values()]

    def pod_changed(self, before: Obj | None, after: Obj | None) -> None:
        """Handle a change of a pod of this node."""
        if before is not None and (
            after is None or after["metadata"]["uid"] != before["metadata"]["uid"]
        ):
            self._forget(before["metadata"]["uid"])
        if after is None:
            return
        worker = self._workers.get(after["metadata"]["uid"])
        if worker is not None:
            worker.pod = after
        elif not is_finished(after) or is_leaving(after):
            step = self._refuse if self._is_full() else self._start
            worker = self._workers[after["metadata"]["uid"]] = PodWorker(after)
            if not is_leaving(after):
                self._work(worker, step)
        if worker is not None and is_leaving(after) and not worker.ending:
            worker.ending = True
            self._work(worker, self._end)

    def _forget(self, uid: str) -> None:
        worker = self._workers.pop(uid, None)
        if worker is not None:
            if worker.task is not None:
                worker.task.cancel()
            self._disconnect(worker)

    def _disconnect(self, worker: PodWorker) -> None:
        """Disconnect a pod from the network, and release its address."""
        if worker.address:
            if self._network is not None:
                self._network.remove(worker.address, worker.uid)
            self._host.addresses.give_back(worker.address)
            worker.address = ""

    def _work(self, worker: PodWorker, step: Callable[[PodWorker], Any]) -> None:
        if worker.task is not None:
            worker.task.cancel()
        worker.task = asyncio.get_running_loop().create_task(
            self._persist(worker, step), name=f"pod {worker.pod['metadata']['name']}"
        )

    async def _persist(self, worker: PodWorker, step: Callable[[PodWorker], Any]) -> None:
        """Run one step of a worker, and retry it while the API does not answer."""
        while True:
            try:
                await step(worker)
                return
            except ApiFailure as failure:
                if failure.status in GONE:
                    return  # the hub will notify
                log.warning("pod %s: %s", worker.pod["metadata"]["name"], failure)
            except OSError as failure:
                log.warning("pod %s: %s", worker.pod["metadata"]["name"], failure)
            except Exception:
                log.exception("pod %s", worker.pod["metadata"]["name"])
                return
            await self._host.clock.sleep(TRY_AGAIN)

    async def _start(self, worker: PodWorker) -> None:
        restarts = _restarts(worker.pod)
        if not restarts:
            await self._write(worker, self._waiting(worker, CREATING))
        secrets = await mount(worker.pod, self._host.api, self._host.clock, self._host.events)
        await self._pull(worker)
        await self._configure(worker)
        own_network = not worker.pod["spec"].get("hostNetwork")
        if own_network:
            await self._host.has_network.wait()
            await self._host.addresses.known.wait()
            await self._attach(worker)
        await self._host.clock.sleep(self._host.profile.start_pod)
        try:
            tls = tls_contexts(worker.pod, secrets)
        except BrokenCertificate as error:
            await self._fail_to_run(worker, str(error))
            return
        address = self._address(worker) if own_network else self._host.node.address
        if self._network is not None and own_network:
            self._network.add(address, RunningPod(worker.pod, self._host.read, tls))
        await self._run(worker, address, restarts)

    async def _attach(self, worker: PodWorker) -> None:
        """Wait for a bridge of the node's present network; one of an earlier fits no pod."""
        bridge = self._host.bridge
        while bridge and (problem := bridge.find_problem(self._host.addresses.network)):
            message = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {problem}"
            reason = "FailedCreatePodSandBox"
            self._host.events.record(POD, worker.pod, reason, message, warning=True)
            await self._host.clock.sleep(CONFIG_PAUSE)

    def _address(self, worker: PodWorker) -> str:
        if not worker.address:
            worker.address = self._host.addresses.take(worker.pod.get("status", {}).get("podIP"))
        return worker.address

    async def _run(self, worker: PodWorker, address: str, restarts: int) -> None:
        host = self._host.node.address
        if _ends_by_itself(worker.pod):
            await self._host.clock.sleep(self._host.profile.start_pod)
            now = stamp(self._host.clock.now())
            await self._write(worker, succeeded_status(worker.pod, host, address, now))
            self._disconnect(worker)
            return
        now = stamp(self._host.clock.now())
        await self._write(worker, running_status(worker.pod, host, address, now, restarts))
        self._record_started(worker)
        if not self._host.has_network.is_set() and _is_network_plugin(worker.pod):
            self._host.has_network.set()
            self._host.network_came_up()
        await self._run_programs(worker)

    async def _run_programs(self, worker: PodWorker) -> None:
        """Run what of the pod does work of its own; one that ends is started again."""
        found = find_programs(worker.pod)
        if not found:
            return
        host, user = self._host, account_of(worker.pod)
        api = host.client_of(user) if host.client_of else host.api
        ((container, program),) = found
        place = Place(worker.pod, container, api, host.api, host.clock, host.node.disk)
        try:
            await program(place).run()
        except* Broken as errors:
            await self._fail_to_run(worker, str(errors.exceptions[0]))
            await host.clock.sleep(CONFIG_PAUSE)
            raise ConnectionAbortedError(f"it has ended: {errors.exceptions[0]}") from errors

    async def _end(self, worker: PodWorker) -> None:
        self._disconnect(worker)
        grace = worker.pod["metadata"].get("deletionGracePeriodSeconds") or 0
        self._record(worker, "Killing", "Stopping container {name}")
        await self._host.clock.sleep(min(grace, LONGEST_GRACE, self._host.profile.start_pod))
        await delete(self._host.api, POD, worker.pod, grace=0)

    def _is_full(self) -> bool:
        """Return whether the node has its maximum of pods."""
        workers = self._workers.values()
        taken = sum(not is_finished(one.pod) and not one.ending for one in workers)
        return taken >= self._host.node.max_pods

    async def _refuse(self, worker: PodWorker) -> None:
        most = self._host.node.max_pods
        message = (
            "Pod was rejected: Node didn't have enough resource: pods, "
            f"requested: 1, used: {most}, capacity: {most}"
        )
        status = refused_status("OutOfpods", message, stamp(self._host.clock.now()))
        await self._write(worker, status)
        self._host.events.record(POD, worker.pod, "OutOfpods", message, warning=True)

    async def _pull(self, worker: PodWorker) -> None:
        """Pull the images, which may never succeed; another image of the pod is noticed."""
        pause = FIRST_PULL_PAUSE
        while (image := _missing_image(worker.pod)) is not None:
            problem = f'Failed to pull image "{image}": not found'
            self._record(worker, "Pulling", f'Pulling image "{image}"')
            self._record(worker, "Failed", problem, warning=True)
            await self._wait_with(
                worker, "ErrImagePull", f'failed to pull image "{image}": not found'
            )
            message = f'Back-off pulling image "{image}"'
            self._record(worker, "BackOff", message, warning=True)
            await self._wait_with(worker, "ImagePullBackOff", message)
            await self._host.clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PULL_PAUSE)

    async def _configure(self, worker: PodWorker) -> None:
        """Wait for what the environment of the containers refers to."""
        while (problem := await find_config_problem(worker.pod, self._host.api)) is not None:
            self._record(worker, "Failed", f"Error: {problem}", warning=True)
            await self._wait_with(worker, "CreateContainerConfigError", problem)
            await self._host.clock.sleep(CONFIG_PAUSE)

    async def _wait_with(self, worker: PodWorker, reason: str, message: str) -> None:
        why = {"reason": reason, "message": message}
        await self._write(worker, self._waiting(worker, why))

    async def _fail_to_run(self, worker: PodWorker, problem: str) -> None:
        self._record(worker, "BackOff", "Back-off restarting failed container {name}", warning=True)
        why = {"reason": "CrashLoopBackOff", "message": problem}
        await self._write(worker, self._waiting(worker, why))

    def _waiting(self, worker: PodWorker, why: dict[str, str]) -> dict[str, Any]:
        now = stamp(self._host.clock.now())
        return waiting_status(worker.pod, self._host.node.address, now, why)

    async def _write(self, worker: PodWorker, status: dict[str, Any]) -> None:
        worker.pod = await strategic_status(self._host.api, POD, worker.pod, status)

    def _record_started(self, worker: PodWorker) -> None:
        for container in worker.pod["spec"]["containers"]:
            image = container["image"]
            for reason, message in (
                ("Pulled", f'Container image "{image}" already present on machine'),
                ("Created", f"Created container: {container['name']}"),
                ("Started", f"Started container {container['name']}"),
            ):
                self._host.events.record(POD, worker.pod, reason, message)

    def _record(self, worker: PodWorker, reason: str, text: str, *, warning: bool = False) -> None:
        name = worker.pod["spec"]["containers"][0]["name"]
        message = text.replace("{name}", name)
        self._host.events.record(POD, worker.pod, reason, message, warning=warning)


def _missing_image(pod: Obj) -> str | None:
    """Return the first image of a pod that no registry has."""
    spec = pod["spec"]
    containers = (*(spec.get("initContainers") or ()), *spec["containers"])
    return next((one["image"] for one in containers if images.is_missing(one["image"])), None)


def _restarts(pod: Obj) -> int:
    """Return the restart count of a pod's next start: 0 for the first one."""
    status = pod.get("status", {})
    if status.get("phase") != "Running":
        return 0
    counts = [one.get("restartCount", 0) for one in status.get("containerStatuses") or ()]
    return max(counts, default=0) + 1


def _ends_by_itself(pod: Obj) -> bool:
    """Return whether a pod runs to completion: it is not restarted, and serves nothing."""
    return pod["spec"].get("restartPolicy", "Always") != "Always" and not images.programs_of(pod)


def _is_network_plugin(pod: Obj) -> bool:
    return any("flannel" in container["image"] for container in pod["spec"]["containers"])

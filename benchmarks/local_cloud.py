"""How large a cluster one local cloud carries: `python -m benchmarks.local_cloud`.

Everything in one process and one event loop, with the profile `instant` and its state on disk: the
machines are run through the HTTP API, the master is set up by its installer. The other machines
join by a short cut: what the installer and `kubeadm join` would leave on them is put there, since a
thousand runs of bash would measure bash.
"""

import argparse
import asyncio
import resource
import shlex
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from qingcloud.iaas import APIConnection

from localcloud.clock import WallClock
from localcloud.database import Database
from localcloud.fabric import Fabric
from localcloud.iaas.catalog import QUOTAS
from localcloud.iaas.http import iaas_app
from localcloud.iaas.persistence import Persistence
from localcloud.iaas.service import Iaas
from localcloud.iaas.signature import Account
from localcloud.kubernetes.client import MASTERS, ApiClient
from localcloud.kubernetes.planes import Planes
from localcloud.machines.host import Machines
from localcloud.machines.machine import Machine
from localcloud.profiles import PROFILES
from localcloud.serving import bind_loopback, make_server

INSTALLERS = Path(__file__).resolve().parents[1] / "installers"
ACCOUNT = Account("BENCHMARKBENCHMARKBE", "no secret")
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEgxqVHbBbDwvnLJOcnBBOpeIOLV8Fcy6eQXKqQxZ0 me"
AT_ONCE = 100  # machines of one RunInstances
IN_VXNET = 200  # machines of one /24
SETS = 10  # ReplicationControllers that share the pods
IDLE_SECONDS = 30.0
LOOK_AGAIN = 0.5
PATIENCE = 1800.0


@dataclass(frozen=True)
class Place:
    """The parts of one local cloud, and a client of its API."""

    iaas: Iaas
    machines: Machines
    planes: Planes
    sdk: APIConnection

    async def call(self, action: str, **body: Any) -> dict[str, Any]:
        """Send an action; one with a job ends with its job."""
        answer = await asyncio.to_thread(self.sdk.send_request, action, body)
        assert answer["ret_code"] == 0, answer
        if job_id := answer.get("job_id"):
            await until(lambda: self._is_done(job_id))
        return dict(answer)

    async def _is_done(self, job_id: str) -> bool:
        (job,) = (await self.call("DescribeJobs", jobs=[job_id]))["job_set"]
        assert job["status"] in ("pending", "working", "successful"), job
        return bool(job["status"] == "successful")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - the API is asked as a client asks
            await asyncio.sleep(LOOK_AGAIN)


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print how long something took, how much of it on a processor, and the memory after it."""
    began, busy = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    print(f"{what:<44}{seconds:>9.1f}{cpu:>9.1f}{memory_mb():>9.0f}", flush=True)


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def run_machines(place: Place, count: int) -> list[str]:
    """Run machines in as many vxnets of one VPC as they need; return their ids."""
    keypair = (await place.call("CreateKeyPair", mode="user", public_key=PUBLIC_KEY))["keypair_id"]
    (router,) = (await place.call("CreateRouters", vpc_network="192.168.0.0/16"))["routers"]
    ids: list[str] = []
    for number in range(-(-count // IN_VXNET)):
        (vxnet,) = (await place.call("CreateVxnets", vxnet_type=1))["vxnets"]
        network = f"192.168.{number + 1}.0/24"
        await place.call("JoinRouter", router=router, vxnet=vxnet, ip_network=network)
        while len(ids) < min(count, (number + 1) * IN_VXNET):
            answer = await place.call(
                "RunInstances",
                image_id="noble1x64a",
                instance_type="e2.xlarge.r2",
                login_mode="keypair",
                login_keypair=keypair,
                vxnets=[vxnet],
                count=min(AT_ONCE, count - len(ids)),
            )
            ids += answer["instances"]

    async def are_up() -> bool:
        return not place.iaas.booting

    await until(are_up)
    return ids


async def make_master(machine: Machine, settings: Mapping[str, str]) -> None:
    """Set the control plane up with the installer, as the flows do."""
    installers = machine.context.disk / "opt/installers"
    for source in INSTALLERS.rglob("*"):
        if source.is_file():
            target = installers / source.relative_to(INSTALLERS)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    file = machine.context.disk / "root/settings"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(one)}\n" for name, one in settings.items()))
    script = f"bash {installers}/k8s_master_installer.sh --env {file}"
    process = await machine.sandbox.start(["-c", script], user="root")
    process.stdin.close()
    out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
    assert await process.wait() == 0, (out + err).decode()


async def join(machine: Machine, master: Machine, max_pods: int) -> None:
    """Let a machine be what `kubeadm join` makes of it."""
    assert master.context.state.node is not None
    machine.context.state.packages["kubelet"] = "1.36.4"
    machine.context.state.node = {
        **master.context.state.node,
        "name": f"k8s-node-{machine.context.spec.instance_id.removeprefix('i-')}",
        "max_pods": max_pods,
        "labels": {},
        "taints": [],
    }
    machine.units.enable("kubelet")
    await machine.units.start("kubelet")
    await machine.cluster.wait_for_kubelet()
    machine.context.save()


async def count(api: ApiClient, path: str, is_counted: Callable[[dict[str, Any]], bool]) -> int:
    found = (await api.request("GET", path))["items"]
    return sum(map(is_counted, found))


def is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_running(pod: dict[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def replication_controller(name: str, replicas: int) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
    }
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"app": name}, "template": template},
    }


async def run_pods(api: ApiClient, number: int) -> None:
    """Ask for pods, and wait until all run."""
    pods = "/api/v1/namespaces/default/pods"
    for index in range(SETS):
        share = number * (index + 1) // SETS - number * index // SETS
        body = replication_controller(f"web-{index}", share)
        path = "/api/v1/namespaces/default/replicationcontrollers"
        await api.request("POST", path, body=body)

    async def all_run() -> bool:
        status = await api.request("GET", "/api/v1/namespaces/default/replicationcontrollers")
        ready = sum(one.get("status", {}).get("readyReplicas", 0) for one in status["items"])
        return ready == number and await count(api, pods, is_running) == number

    await until(all_run)


async def measure(place: Place, machines: int, pods: int) -> None:
    print(f"{'':<44}{'seconds':>9}{'CPU s':>9}{'MB':>9}")
    with measured("nothing yet"):
        pass
    with measured(f"{machines + 1:,} machines run and answer SSH"):
        master_id, *node_ids = await run_machines(place, machines + 1)
    master = place.machines.find(master_id)
    per_node = -(-pods // machines)
    with measured("the master is installed"):
        await make_master(
            master,
            {
                "CLUSTER": "large",
                "NODE_NAME": "k8s-master",
                "NODE_IP": master.context.spec.address,
                "API_ENDPOINT": "k8s-api.large.internal:6443",
                "JOIN_TOKEN": "abcdef.0123456789abcdef",
                "POD_CIDR": "10.240.0.0/12",
                "NODE_CIDR_MASK": "24",
            },
        )
    assert master.cluster.plane is not None
    api = master.cluster.plane.client(MASTERS)

    async def all_ready() -> bool:
        return await count(api, "/api/v1/nodes", is_ready) == machines + 1

    with measured(f"{machines:,} nodes are Ready (joined by short cut)"):
        for node_id in node_ids:
            await join(place.machines.find(node_id), master, per_node + 10)
        await until(all_ready)
    with measured(f"{pods:,} pods run"):
        await run_pods(api, pods)
    busy = time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    idle = (time.process_time() - busy) / IDLE_SECONDS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"idle: {idle:.1%} of one core; memory {memory_mb():.0f} MB, at most {peak:.0f} MB")


async def run(folder: Path, machines: int, pods: int) -> None:
    clock, fabric, profile = WallClock(), Fabric(), PROFILES["instant"]
    planes = Planes(clock, profile, Random(7))
    (folder / "machines").mkdir()
    host = Machines(folder / "machines", fabric, clock, profile, planes)
    iaas = Iaas(
        clock,
        profile,
        fabric,
        host,
        Random(7),
        account=ACCOUNT,
        quotas={name: 1000 * most for name, most in QUOTAS.items()},
        persistence=Persistence(Database(folder / "cloud.db")),
    )
    listener = bind_loopback()
    server = make_server(iaas_app(iaas))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    sdk = APIConnection(
        ACCOUNT.key_id, ACCOUNT.secret, iaas.zone, "127.0.0.1", port, "http", retry_time=1
    )
    try:
        await measure(Place(iaas, host, planes, sdk), machines, pods)
    finally:
        with measured("all is stopped"):
            server.should_exit = True
            await serving
            await iaas.close()
            await host.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1_000)
    parser.add_argument("--pods", type=int, default=30_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), chosen.machines, chosen.pods))


if __name__ == "__main__":
    main()

"""What the runbooks of production meet in a test: the local cloud's API over HTTP, and, at the
border, machines and a Kubernetes API that remember what was done to them.

One change of a run can be struck: its request is lost, its reply is lost, it fails in a way that
passes, or for good.
"""

import base64
import json
import shlex
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, cast

from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from clients.qingcloud import QingCloud
from clients.ssh import SshMachine, SshTarget
from domain.autoscaling.see.snapshot import Resources, SeenNode, SeenPod
from domain.autoscaling.see.state import LEAVING, ClusterState, Marked
from domain.cloud.addons import Claim, Service
from domain.cloud.api import Cloud
from domain.cloud.inventory import group_of, read_machines
from domain.cloud.known import CHANGES
from domain.cloud.plan import Plan
from domain.cloud.records import Instance, InstanceSpec, InstanceStatus, PortForwardSpec
from domain.cluster.api import SYSTEM, Manifest, Node, Pod
from domain.cluster.claims import Terms
from domain.cluster.join_tokens import TOKEN_NAME
from domain.cluster.leases import HOLDER
from domain.cluster.versions import RequestedApi
from domain.kernel.errors import ClusterError, FinalError, NotFound, TemporaryError, UnknownOutcome
from domain.kernel.names import MASTERS, NODES
from domain.node.adoption import find_adopted
from domain.node.drain import CORDONED
from domain.node.f2cadm import servers_table
from domain.node.install import ADOPTED_LABEL, ENV_FILE, FOLDER, GROUP_LABEL, INSTANCE_LABEL
from domain.node.ready import WORKER
from domain.node.shell import Output
from domain.reports.overview import ROLE
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.given import GivenSpec
from flows.runbooks.provision import provision
from flows.runbooks.teardown import teardown
from flows.scale import leaving_machines, scale_group
from tasks.cluster import Cluster
from tasks.control_plane import find_spec
from tasks.executors import PlainSteps, Steps
from tasks.overview import need_cluster, need_spec, wanted_spec
from tasks.runs import LEASE, only_run
from tests.iaas_daemon import ACCOUNT, ZONE, IaasDaemon
from tests.memory_claims import MemoryClaims
from tests.memory_vault import MemoryJournal, MemoryVault

SPEC = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["127.0.0.0/8"]}})


LATE = datetime(2099, 1, 1, tzinfo=UTC)


class Way(StrEnum):
    """How a change goes wrong."""

    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    TEMPORARY = "temporary"
    FINAL = "final"
    LATE = "late"
    KILLED = "killed, and the call acts late"


class Killed(BaseException):
    """The end of a process: no part of the run does anything more."""


class HurriedClock:
    """Time in which waits and pauses take a hundredth of a second at most, and still pass."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen later."""
        self._due.append((self.monotonic() + seconds, act))

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float, /) -> None:
        nap = min(seconds, 0.001)
        time.sleep(nap)
        self._ahead += seconds - nap
        now = self.monotonic()
        due = [act for moment, act in self._due if moment <= now]
        self._due = [(moment, act) for moment, act in self._due if moment > now]
        for act in due:
            with suppress(ClusterError):  # its caller does not listen any more
                act()


class Strike:
    """The change of a given number, counted from 1, goes wrong once; 0 strikes none."""

    def __init__(self, at: int = 0, way: Way = Way.FINAL, late: float = 75) -> None:
        self.at, self.way, self.late = at, way, late
        self.changes: list[str] = []
        self.calls: list[str] = []
        self.clock: HurriedClock | None = None  # of the world that it strikes
        self._lock = Lock()
        self._killed = False

    @property
    def has_killed(self) -> bool:
        return self._killed

    def new_process(self, clock: HurriedClock) -> None:
        self.clock, self._killed = clock, False

    def check_alive(self) -> None:
        if self._killed:
            raise Killed

    def is_meant(self, number: int, name: str) -> bool:
        return number == self.at

    def change(self, name: str, act: Callable[[], Any], lost: type[TemporaryError]) -> Any:
        self.check_alive()
        with self._lock:
            self.changes.append(name)
            number = len(self.changes)
            struck = self.is_meant(number, name)
        if not struck:
            return act()
        match self.way:
            case Way.REQUEST_LOST:
                raise lost(f"{name}: no reply")
            case Way.REPLY_LOST:
                act()
                raise lost(f"{name}: no reply")
            case Way.LATE:
                assert self.clock is not None
                self.clock.after(self.late, act)
                raise lost(f"{name}: no reply")
            case Way.KILLED:
                assert self.clock is not None
                self.clock.after(self.late, act)
                self._killed = True
                raise Killed
            case Way.TEMPORARY:
                raise TemporaryError(f"{name}: please try later")
            case Way.FINAL:
                raise FinalError(f"{name}: refused")


class StruckCloud:
    """A cloud client, one change of which goes wrong."""

    def __init__(self, cloud: QingCloud, strike: Strike) -> None:
        self._cloud, self._strike = cloud, strike

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cloud, name)
        if not callable(call):
            return call

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._strike.check_alive()
            self._strike.calls.append(name)
            if name not in CHANGES:
                return call(*args, **kwargs)
            act = partial(call, *args, **kwargs)
            return self._strike.change(name, act, UnknownOutcome)

        return counted


class Api:
    """The part of `ClusterClient` that the runbooks use; its objects are the world's."""

    def __init__(self, world: "World", strike: Strike) -> None:
        self._world, self._strike = world, strike

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None: ...

    def is_ready(self) -> bool:
        return self._world.api_answers

    def read_version(self) -> str:
        return min(self._world.api_servers.values(), default="v1.36.4")

    def read_masters(self) -> Mapping[str, str]:
        return self._world.api_servers

    def read_requested_apis(self) -> Sequence[RequestedApi]:
        return self._world.requested_apis

    def list_nodes(self) -> Sequence[Node]:
        return [self._world.with_annotations(node) for node in self._world.nodes.values()]

    def read_node(self, name: str) -> Node | None:
        node = self._world.nodes.get(name)
        return self._world.with_annotations(node) if node else None

    def read(self, kind: str, name: str, namespace: str = "") -> Manifest | None:
        if kind != "Node":
            return self._world.objects.get((kind, namespace, name))
        node = self._world.nodes.get(name)
        if node is None:
            return None
        annotations = self._world.annotations.get(name, {})
        spec = {} if node.schedulable else {"unschedulable": True}
        return {"metadata": {"name": name, "annotations": annotations}, "spec": spec}

    def list_pods(
        self, *, node: str = "", namespace: str = "", selector: str = ""
    ) -> Sequence[Pod]:
        return [pod for pod in self._world.pods if node in ("", pod.node)]

    def count_workload_pods(self) -> Mapping[str, int]:
        return Counter(pod.node for pod in self._world.pods)

    def count_unschedulable(self) -> int:
        return len(self._world.waiting)

    def read_state(self) -> ClusterState:
        nodes = tuple(
            SeenNode(
                node.name,
                node.labels[GROUP_LABEL],
                ready=node.ready,
                schedulable=node.schedulable,
                allocatable=Resources(cpu_millis=2000, memory_bytes=4 * 2**30),
                places=node.pods_allocatable,
                pods=[SeenPod("default", f"full-{number}") for number in range(40)],
                labels=node.labels,
                removal_begun=CORDONED in self._world.annotations.get(node.name, {}),
                unready_seconds=node.unready_seconds,
            )
            for node in self._world.nodes.values()
        )
        marked = tuple(
            Marked(name, notes[LEAVING] or "")
            for name, notes in self._world.annotations.items()
            if LEAVING in notes and name in self._world.nodes
        )
        return ClusterState(nodes, self._world.waiting, marked=marked, time=self._world.time)

    def list_attached_volumes(self, node: str) -> list[str]:
        return []

    def list_join_tokens(self) -> list[str]:
        return [name.removeprefix(TOKEN_NAME) for name in self._world.tokens()]

    def list_balanced_services(self) -> list[Service]:
        return list(self._world.services)

    def list_claims(self) -> list[Claim]:
        return list(self._world.claims)

    def apply(self, manifest: Manifest) -> bool:
        return bool(self._change("apply", lambda: self._world.apply(manifest)))

    def read_time(self) -> datetime:
        self._world.before_read_time()
        return self._world.time or datetime.now(UTC)

    def create(self, manifest: Manifest) -> bool:
        return self._world.put(manifest, "")

    def replace(self, manifest: Manifest) -> bool:
        return self._world.put(manifest, manifest["metadata"]["resourceVersion"])

    def delete(self, kind: str, name: str, namespace: str = "") -> bool:
        return bool(self._change("delete", lambda: self._world.delete(kind, name, namespace)))

    def label_node(self, node: str, labels: Mapping[str, str | None]) -> None:
        self._change("label", lambda: self._world.label(node, labels))

    def taint_node(self, node: str, add: Sequence[str], remove: Sequence[str]) -> None:
        self._change("taint", lambda: self._world.taint(node, add, remove))

    def annotate_node(self, node: str, annotations: Mapping[str, str | None]) -> None:
        self._change("annotate", lambda: self._world.annotate(node, annotations))

    def cordon_marked(self, node: str, mark: str) -> None:
        def cordon() -> None:
            if mark in self._world.annotations.get(node, {}):
                self._world.cordon(node, False)

        self._change("cordon", cordon)

    def set_schedulable(self, node: str, schedulable: bool) -> None:
        self._change("cordon", lambda: self._world.cordon(node, schedulable))

    def evict(self, pod: Pod) -> bool:
        return bool(self._change("evict", lambda: self._world.evict(pod)))

    def _change(self, name: str, act: Callable[[], object]) -> object:
        return self._strike.change(f"kubernetes {name}", act, TemporaryError)


class Machine:
    """An SSH connection to one machine of the world."""

    def __init__(self, world: "World", strike: Strike, address: str) -> None:
        self._world, self._strike, self._address = world, strike, address
        self.host_key = f"ssh-ed25519 {_public_key('its userdata')}"
        self.is_open = True

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] = lambda line: None,
    ) -> Output:
        def act() -> Output:
            done = self._world.run(self._address, argv)
            on_line(done.stdout.strip())
            return done

        return cast(Output, self._strike.change("ssh", act, TemporaryError))

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        self._world.files[self._id, path] = content

    @cached_property
    def _id(self) -> str:
        """The machine that this connection leads to."""
        return self._world.at(self._address).id


class World:
    """Everything outside of the product, for as long as a test lasts: several runs meet it."""

    def __init__(self, daemon: IaasDaemon, folder: Path) -> None:
        self.until_its_end = ExitStack()
        self.daemon, self.vault, self.clock = daemon, MemoryVault(), HurriedClock()
        self.run_claims, self.terms, self._folder = MemoryClaims(), Terms(), folder
        self._machines, self._lock = count(1), Lock()
        self.journal = MemoryJournal(self.clock)
        self.nodes: dict[str, Node] = {}
        self.annotations: dict[str, dict[str, str | None]] = {}
        self.pods: list[Pod] = []
        self.waiting: tuple[SeenPod, ...] = ()
        self.time: datetime | None = None  # of the cluster's clock; ours where it is not given
        self.before_read_time: Callable[[], object] = lambda: None
        self.on_node_deleted: Callable[[], object] = lambda: None
        self.on_upgraded: Callable[[], object] = lambda: None
        self.services: list[Service] = []
        self.claims: list[Claim] = []
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.files: dict[tuple[str, str], bytes] = {}
        self.broken: set[str] = set()  # ids of machines whose installer fails
        self.silent: set[str] = set()  # ids of machines that never answer over SSH
        self.others: list[str] = []  # ids of machines that are nobody's
        self._breaking = self._silencing = 0
        self.members: dict[str, str] = {}  # of etcd: the machine of each
        self._member_ids = count(0xA1)
        self.joined: set[str] = set()  # ids of machines that have been nodes
        self.api_servers: dict[str, str] = {}  # their versions, by the names of masters' nodes
        self.ends: dict[str, datetime] = {}  # of a master's certificates; late if not given
        self.mute = False  # whether masters say nothing of their certificates
        self.renewing: set[str] = set()  # ids of masters whose renewal was cut off
        self.requested_apis: list[RequestedApi] = []
        self.admitted: dict[str, str] = {}  # the key that may log in as well, by machine
        self.cloud = QingCloud(ZONE, ACCOUNT.key_id, ACCOUNT.secret, daemon.endpoint)
        self.onlooker = daemon.onlooker()

    def open(self, strike: Strike | None = None, name: str = "demo") -> Cluster:
        """The handle of a new run, on a machine of its own, by the same Prefect server."""
        strike = strike or Strike()
        if strike.has_killed:
            self._end_process()
        strike.new_process(self.clock)
        account = QingCloudAccount(
            zone=ZONE,
            access_key_id=ACCOUNT.key_id,
            secret_access_key=SecretStr(ACCOUNT.secret),
            endpoint=self.daemon.endpoint,
            bills=False,
        )

        def connect(target: SshTarget, **_: object) -> SshMachine | None:
            if self._is_silent(target.address):
                return None
            return cast(SshMachine, Machine(self, strike, target.address))

        cluster = Cluster(
            account,
            name,
            f"{name}-test",
            cloud=cast(Cloud, StruckCloud(self.cloud, strike)),
            vault=self.vault,
            claims=self.run_claims,
            journal=self.journal,
            clock=self.clock,
            connect_api=lambda access: cast(ClusterClient, Api(self, strike)),
            connect_ssh=cast(Callable[..., SshMachine], connect),
        )
        cluster.terms = self.terms
        cluster.run_lock = self._folder / f"machine-{next(self._machines)}"
        return cluster

    def _end_process(self) -> None:
        """Let the claim and the Lease show a process that does not run any more."""
        if self.run_claims.kept:
            ended = replace(self.run_claims.kept.holder, started="1")
            self.run_claims.kept = replace(self.run_claims.kept, holder=ended)
            if lease := self.objects.get(("Lease", SYSTEM, LEASE)):
                lease["metadata"]["annotations"] = {HOLDER: json.dumps(ended.to_document())}

    # Runs, as the flows make them.

    def provision(
        self,
        strike: Strike | None = None,
        spec: ClusterSpec = SPEC,
        steps: Steps | None = None,
    ) -> None:
        cluster = self.open(strike)
        with only_run(cluster):
            stored = find_spec(cluster)
            provision(
                steps or PlainSteps(self.clock),
                cluster.wanting(wanted_spec(cluster, stored, GivenSpec.of(spec, stored).given)),
                is_stored=stored is not None,
                demo=False,
                ui=False,
            )

    def scale(
        self,
        count: int,
        strike: Strike | None = None,
        steps: Steps | None = None,
        group: str = NODES,
    ) -> None:
        cluster, steps = self.open(strike), steps or PlainSteps(self.clock)
        with only_run(cluster):
            need_cluster(cluster)
            wanting = cluster.wanting(need_spec(cluster).with_count(group, count))
            scale_group(steps, wanting, group, leaving_machines(wanting, group, count))

    def teardown(
        self, strike: Strike | None = None, steps: Steps | None = None, **choices: bool
    ) -> Plan:
        cluster = self.open(strike)
        with only_run(cluster):
            done = teardown(steps or PlainSteps(self.clock), cluster, **choices)
        self._forget_what_machines_held()
        return done

    def let_late_calls_act(self) -> None:
        """Move the clock on until no call of an earlier run can act any more."""
        self.clock.sleep(100)

    def _forget_what_machines_held(self) -> None:
        if not self.machines():
            self.nodes.clear()
            self.objects.clear()
            self.members.clear()
            self.annotations.clear()
            self.api_servers.clear()

    @property
    def api_answers(self) -> bool:
        if not any(node.labels[GROUP_LABEL] == MASTERS for node in self.nodes.values()):
            return False
        return len(self.members) < 2 or 2 * len(self._living_members()) > len(self.members)

    # What they leave.

    def resources(self) -> dict[str, int]:
        return dict(self.daemon.iaas.count_resources())

    def machines(self) -> tuple[Instance, ...]:
        return read_machines(cast(Cloud, self.onlooker), "demo").instances

    def workers(self) -> tuple[Instance, ...]:
        return tuple(machine for machine in self.machines() if machine.name.endswith(NODES))

    def tokens(self) -> list[str]:
        return [name for kind, _, name in self.objects if kind == "Secret"]

    def state(self) -> dict[str, object]:
        """What must be the same after a run that was struck as after one that was not."""
        machines = self.machines()
        ids = {machine.id for machine in machines}
        adopted = find_adopted(self.nodes.values()).keys()
        names = Counter(f"{machine.name} {machine.type_id}" for machine in machines)
        stored = self.objects.get(("ConfigMap", SYSTEM, "cluster-spec"))
        return {
            "resources": self.resources(),
            "machines": dict(names),
            "nodes are machines": {machine_of(node) for node in self.nodes.values()} - adopted
            == ids,
            "adopted": len(adopted),
            "members are masters": sorted(self.members.values())
            == sorted(machine.id for machine in machines if "master" in machine.name),
            "nodes are labelled": all(
                WORKER.keys() <= node.labels.keys()
                for node in self.nodes.values()
                if node.labels[GROUP_LABEL] != MASTERS
            ),
            "templates": Counter(
                (node.labels[GROUP_LABEL], node.labels.get("disk"), node.taints)
                for node in self.nodes.values()
            ),
            "tables are right": self._tables(machines) <= {_table(machines)},
            "certificates end soon": bool(self.ends or self.renewing),
            "versions": Counter(node.version for node in self.nodes.values()),
            "nodes are schedulable": all(node.schedulable for node in self.nodes.values()),
            "key pair is ours": self.vault.kept is None
            or [pair.public_key for pair in self.cloud.find_keypairs("k8s.demo.key")]
            == [self.vault.kept.ssh.public_key.split()[1]],
            "keys are of machines": set(self.vault.kept.host_keys) == ids | adopted
            if self.vault.kept
            else None,
            "wanted": json.loads(stored["data"]["spec.json"])["nodes"]["count"] if stored else None,
            "stored version": json.loads(stored["data"]["spec.json"])["kubernetes"]["version"]
            if stored
            else None,
        }

    def _tables(self, machines: Sequence[Instance]) -> set[bytes | None]:
        return {self.files.get((machine.id, "/etc/f2cadm/servers")) for machine in machines}

    # What machines and Kubernetes do.

    def run(self, address: str, argv: Sequence[str]) -> Output:
        command = argv[2]
        machine = self.at(address)
        if "authorized_keys" in command:
            self.admitted[machine.id] = argv[-1]
        if "ssh-keygen" in command:
            return Output(f"ssh-ed25519 {_public_key(machine.id)}\n", "", 0)
        if f"{FOLDER}/k8s_" in command:
            if self._breaking and f"{machine.id}" not in self.broken:
                self._breaking -= 1
                self.broken.add(machine.id)
            if machine.id in self.broken:
                return Output("ERROR the disk is full\n", "", 3)
            if "k8s_upgrade_installer.sh" in command:
                if argv[-1] == "upgrade":
                    self._upgrade(machine)
                return Output("done\n", "", 0)
            if "k8s_master_installer.sh" in command:
                return self._run_master_installer(machine, argv[-1])
            if argv[-1] == "join":
                if machine.id in self.joined and self._has_node(machine):
                    return Output("node: nothing to do.\n", "", 0)
                self._join(machine)
        if f"{FOLDER}/etcd_members.sh" in command:
            return self._run_etcd(argv[4:])
        if "check-expiration" in command and self.mute:
            return Output("", "kubeadm: not found", 127)
        if "check-expiration" in command:
            return Output(self._ends_of(machine), "", 0)
        if "renew_certificates.sh" in command:
            self.renewing.discard(machine.id)
            self.ends.pop(machine.id, None)
        if "etcdutl" in argv:
            return Output('{"totalKey": 100, "totalSize": 4096}\n', "", 0)
        return Output("done\n", "", 0)

    def _run_master_installer(self, machine: Instance, word: str) -> Output:
        if word == "install":
            return Output("done\n", "", 0)
        if word == "certificates":
            assert machine.id in self.members.values()
            self.objects["Secret", SYSTEM, "kubeadm-certs"] = {"metadata": {}}
            return Output("done\n", "", 0)
        if machine.id in self.members.values() and self._has_node(machine):
            return Output("master: nothing to do.\n", "", 0)
        if word == "join":
            settings = self._settings(machine)
            assert len(settings["CERTIFICATE_KEY"]) == 64
            assert ("Secret", SYSTEM, "kubeadm-certs") in self.objects
            alive = self._living_members()
            assert alive == list(self.members), "kubeadm asks every member"
            self._remove_members_of(machine)
        else:
            assert not self.members, "a second cluster would be made"
        self.members[f"{next(self._member_ids):x}"] = machine.id
        self._join(machine)
        return Output("done\n", "", 0)

    def _remove_members_of(self, machine: Instance) -> None:
        for member in [one for one, of in self.members.items() if of == machine.id]:
            del self.members[member]

    def _living_members(self) -> list[str]:
        alive = {one.id for one in self.machines() if one.status is InstanceStatus.RUNNING}
        return [member for member, machine in self.members.items() if machine in alive]

    def _run_etcd(self, words: Sequence[str]) -> Output:
        alive = self._living_members()
        if 2 * len(alive) <= len(self.members):
            return Output("", "ERROR etcd has no quorum\n", 32)
        if words[0] == "remove" and words[1] in self.members:
            left = len(self.members) - 1
            assert left, "the last member was removed"
            assert 2 * len([one for one in alive if one != words[1]]) > left, "quorum lost"
            del self.members[words[1]]
            return Output("removed\n", "", 0)
        lines = [
            f"MEMBER {member} {'healthy' if member in alive else 'unhealthy'} started voter "
            f"https://10.9.9.9:2380 {MASTERS}-{machine.removeprefix('i-')}"
            for member, machine in self.members.items()
        ]
        return Output("\n".join(lines), "", 0)

    def _ends_of(self, machine: Instance) -> str:
        """What kubeadm and openssl print of a master's certificates."""
        ends = self.ends.get(machine.id, LATE)
        row = {"name": "apiserver", "expirationDate": ends.isoformat()}
        authority = {"name": "ca", "expirationDate": LATE.isoformat()}
        document = {"certificates": [row], "certificateAuthorities": [authority]}
        unfinished = "RENEWING\n" if machine.id in self.renewing else ""
        kubelet = f"notAfter={LATE:%b %d %H:%M:%S %Y} GMT\n"
        return f"{json.dumps(document)}\n\n{kubelet}{unfinished}"

    def _upgrade(self, machine: Instance) -> None:
        """Do what the installer does; a kubelet must not be newer than an API server."""
        version = f"v{self._settings(machine)['K8S_VERSION']}"
        [node] = [n for n in self.nodes.values() if n.labels.get(INSTANCE_LABEL) == machine.id]
        if node.version == version:  # the installer has nothing to do
            return
        if _group(machine) == MASTERS:
            self.api_servers[node.name] = version
        self._set_version(node, version)
        self.on_upgraded()

    def _set_version(self, node: Node, version: str) -> None:
        # A master's kubelet asks the API server beside it, the others any of them.
        servers = [self.api_servers.get(node.name, min(self.api_servers.values()))]
        assert version <= min(servers), f"{node.name} is newer than its masters"
        assert _group_of(node) == MASTERS or not node.schedulable, f"{node.name} has pods"
        self.nodes[node.name] = replace(node, version=version)

    def _has_node(self, machine: Instance) -> bool:
        """Whether its Node exists; the installers let a kubelet register one that was deleted."""
        return any(machine_of(node) == machine.id for node in self.nodes.values())

    def silence_next(self, machines: int) -> None:
        """Let so many machines never answer over SSH, the next ones that are logged in to."""
        self._silencing = machines

    def _is_silent(self, address: str) -> bool:
        if not self._silencing and not self.silent:
            return False
        machine = self.at(address)
        is_new = all(machine_of(node) != machine.id for node in self.nodes.values())
        if self._silencing and is_new and machine.id not in self.silent:
            self._silencing -= 1
            self.silent.add(machine.id)
        return machine.id in self.silent

    def break_next(self, machines: int) -> None:
        """Let the installers of so many machines fail, the next ones that are installed."""
        self._breaking = machines

    def create_other(self) -> Instance:
        """A machine that a person has created in the cluster's network."""
        pattern = self.workers()[0]
        spec = InstanceSpec(
            name="shop",
            image_id=pattern.image_id,
            type_id=pattern.type_id,
            disk_gib=40,
            vxnet_id=pattern.vxnet_id,
            security_group_id=pattern.security_group_id,
            keypair_id=pattern.keypair_ids[0],
            userdata_attachment="",
            count=1,
        )
        [created] = self.cloud.run_instances(spec).instance_ids
        self.others.append(created)
        while not (found := self.onlooker.read_instances([created])) or not found[0].is_up:
            self.clock.sleep(1)
        return found[0]

    def stop(self, machine_id: str) -> None:
        """Stop a machine as in the cloud's console; its node counts as Ready for a while."""
        self._switch("StopInstances", machine_id, InstanceStatus.STOPPED)
        self.silent.add(machine_id)

    def start(self, machine_id: str) -> None:
        self._switch("StartInstances", machine_id, InstanceStatus.RUNNING)
        self.silent.discard(machine_id)

    def _switch(self, action: str, machine_id: str, wanted: InstanceStatus) -> None:
        self.cloud._transport.change(action, {"instances": [machine_id]})
        while next(one.status for one in self.machines() if one.id == machine_id) is not wanted:
            self.clock.sleep(1)

    def ready_workers(self) -> list[Node]:
        return [
            node for node in self.nodes.values() if node.ready and node.labels[GROUP_LABEL] == NODES
        ]

    def at(self, address: str) -> Instance:
        machines = self.machines()
        others = self.onlooker.read_instances(self.others) if self.others else ()
        inner = [machine for machine in (*machines, *others) if machine.private_ip == address]
        masters = [one for one in machines if "master" in one.name]
        if not inner and len(masters) > 1:
            targets = {one.target for one in self._forwards() if one.target_port == 22}
            inner = [machine for machine in masters if machine.private_ip in targets]
        return inner[0] if inner else masters[0]

    def _forwards(self) -> list[PortForwardSpec]:
        [router] = self.onlooker.find_vpcs("k8s.demo.router")
        return [one.spec for one in self.onlooker.list_port_forwards(router.id)]

    def _join(self, machine: Instance) -> None:
        self.joined.add(machine.id)
        settings = self._settings(machine)
        labels = dict(pair.split("=", 1) for pair in settings["NODE_LABELS"].split(","))
        group, name = labels[GROUP_LABEL], settings["NODE_NAME"]
        taints = tuple(one for one in settings["NODE_TAINTS"].split(",") if one)
        if group == MASTERS:
            labels[ROLE] = ""  # kubeadm sets it
        if name not in self.nodes:  # a kubelet leaves a node that is registered as it is
            version = f"v{settings['K8S_VERSION']}"
            if group == MASTERS:
                self.api_servers[name] = version
            assert version <= min(self.api_servers.values()), f"{name} is newer than its masters"
            node = Node(name, machine.private_ip, True, True, 40, version, labels, taints=taints)
            self.nodes[name] = node

    def _settings(self, machine: Instance) -> dict[str, str]:
        """The settings that the installer of a machine has got."""
        lines = shlex.split(self.files[machine.id, ENV_FILE].decode())
        return dict(line.split("=", 1) for line in lines)

    def apply(self, manifest: Manifest) -> bool:
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        if self.objects.get(key) == manifest:
            return False
        self.objects[key] = manifest
        if metadata["name"].startswith("bootstrap-token-"):
            token = metadata["name"].removeprefix("bootstrap-token-")
            self.objects["ConfigMap", "kube-public", "cluster-info"] = {
                "data": {f"jws-kubeconfig-{token}": "signed"}
            }
        return True

    def put(self, manifest: Manifest, version: str) -> bool:
        """Create or replace an object whose version must be the given one."""
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        with self._lock:
            kept = self.objects.get(key)
            if (kept["metadata"]["resourceVersion"] if kept else "") != version:
                return False
            newer = {**metadata, "resourceVersion": str(int(version or 0) + 1)}
            self.objects[key] = {**manifest, "metadata": newer}
            return True

    def delete(self, kind: str, name: str, namespace: str) -> bool:
        if kind == "Service":
            self.services = [one for one in self.services if one.name != name]
        if kind == "PersistentVolumeClaim":
            self.claims = [one for one in self.claims if one.name != name]
        if kind == "Node":
            existed = self.nodes.pop(name, None) is not None
            self.api_servers.pop(name, None)
            if existed:
                self.on_node_deleted()
            return existed
        return self.objects.pop((kind, namespace, name), None) is not None

    def annotate(self, node: str, annotations: Mapping[str, str | None]) -> None:
        merged = {**self.annotations.get(node, {}), **annotations}
        self.annotations[node] = {key: value for key, value in merged.items() if value is not None}

    def with_annotations(self, node: Node) -> Node:
        known = self.annotations.get(node.name, {})
        return replace(node, annotations={key: value or "" for key, value in known.items()})

    def label(self, node: str, labels: Mapping[str, str | None]) -> None:
        seen = self.nodes[node]
        merged: dict[str, str | None] = {**seen.labels, **labels}
        kept = {key: value for key, value in merged.items() if value is not None}
        self.nodes[node] = replace(seen, labels=kept)

    def taint(self, node: str, add: Sequence[str], remove: Sequence[str]) -> None:
        seen = self.nodes[node]
        kept = [taint for taint in seen.taints if taint not in (*add, *remove)]
        self.nodes[node] = replace(seen, taints=(*kept, *add))

    def cordon(self, node: str, schedulable: bool) -> None:
        if node not in self.nodes:
            raise NotFound(node)
        self.nodes[node] = replace(self.nodes[node], schedulable=schedulable)

    def evict(self, pod: Pod) -> bool:
        self.pods = [one for one in self.pods if one.uid != pod.uid]
        return True


def machine_of(node: Node) -> str:
    """The id of the machine that a node runs on, the cluster's own or an adopted one."""
    return node.labels.get(INSTANCE_LABEL) or node.labels[ADOPTED_LABEL]


def _group(machine: Instance) -> str:
    return group_of("demo", machine)


def _group_of(node: Node) -> str:
    return node.labels[GROUP_LABEL]


def _table(machines: Sequence[Instance]) -> bytes:
    roster = sorted(machines, key=lambda machine: machine.id)
    return servers_table([(_group(machine), machine) for machine in roster])


def _public_key(text: str) -> str:
    blob = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + text.encode().ljust(32)
    return base64.b64encode(blob).decode()


@contextmanager
def new_world(lag: timedelta = timedelta()) -> Iterator[World]:
    """Make a world whose cloud has a clock so far behind ours."""
    with IaasDaemon(lag=lag) as daemon, TemporaryDirectory() as folder:
        world = World(daemon, Path(folder))
        with world.until_its_end:
            yield world

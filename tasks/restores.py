"""Steps of a restore: fetch and open a backup, and put etcd back on all masters."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from domain.backup.contents import Damaged, Facts, check_snapshot, sum_of, unpack
from domain.backup.labels import SEALED, Label
from domain.backup.sealing import unseal
from domain.cloud.records import Instance
from domain.cluster.api import SYSTEM, Manifest
from domain.cluster.copies import separate_copy
from domain.cluster.stored_spec import SPEC_NAME
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError
from domain.kernel.texts import first_of
from domain.kernel.waiting import wait_for
from domain.node import restoring
from domain.node.etcd import read_members
from domain.node.install import check
from domain.node.shell import Shell
from domain.secrets.credentials import Credentials
from domain.secrets.pki import make_ssh_keypair
from tasks.backups import Place
from tasks.cluster import Cluster
from tasks.shells import open_shell, visit_each
from tasks.steps import step

T = TypeVar("T")

KEPT = (
    ("kubeadm-config", SYSTEM),
    ("kubelet-config", SYSTEM),
    ("kube-proxy", SYSTEM),
    ("cluster-info", "kube-public"),
    (SPEC_NAME, SYSTEM),
)
"""ConfigMaps that describe machines and addresses as they are now: a restore keeps those of now."""

SHARED_KEYS = ("sa.key", "sa.pub")
"""The keys that have signed the tokens in a snapshot."""

RESTART = "systemctl restart kubelet"

REGISTER = """\
set -e
systemctl stop kubelet
for link in cni0 flannel.1; do
  [[ ! -e "${SYSROOT:-}/sys/class/net/$link" ]] || ip link delete "$link"
done
rm -rf "${SYSROOT:-}/etc/cni/net.d/10-flannel.conflist" "${SYSROOT:-}/run/flannel/subnet.env" \
  "${SYSROOT:-}/var/lib/cni/networks/cbr0"
systemctl restart kubelet
"""
"""For a machine whose node the backup does not know: that gets another part of the pod network,
which the bridge of the present one does not fit. It would be Ready, and start no pod."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A backup that was opened: its facts, and the snapshot in a file."""

    label: Label
    facts: Facts
    snapshot: Path


@step("backup {label.name}")
def open_backup(cluster: Cluster, place: Place, label: Label, folder: Path) -> Ensured[Opened]:
    """Fetch a backup, check size and sum, open the seal, and check etcd's own sum.

    Raises:
        Damaged: it is not what it was.
        WrongPassPhrase: it does not open it.
    """
    sealed, packed, snapshot = (folder / name for name in ("sealed", "packed", "etcd.db"))
    place.store.fetch(label.name + SEALED, sealed)
    if (sealed.stat().st_size, sum_of(sealed)) != (label.size, label.sum):
        raise Damaged(
            f"backup {label.name} is damaged: its size or its sum is not that of its label; "
            "nothing was restored"
        )
    with sealed.open("rb") as source, packed.open("wb") as target:
        unseal(source, target, place.phrase, label.bound)
    with packed.open("rb") as source:
        facts = unpack(source, snapshot)
    packed.unlink()
    check_snapshot(snapshot)
    return Ensured(Opened(label, facts, snapshot), f"of {label.made_at:%Y-%m-%d %H:%M} UTC")


@step("credentials of {cluster.name}")
def adopt_credentials(cluster: Cluster, facts: Facts) -> Ensured[Credentials]:
    """Give a cluster that does not exist yet the CA of the backup; all other keys are new.

    Raises:
        FinalError: this server has other credentials of that name.
    """
    found, ca = cluster.find_credentials(), facts.credentials.ca
    if found is not None and found.ca == ca:
        return Ensured(found, "kept, those of a restore that was cut off")
    if found is not None and not found.is_new:
        raise FinalError(
            f"{cluster.vault.place} holds the credentials of another cluster; choose another name"
        )
    made = Credentials(ca=ca, ssh=make_ssh_keypair(f"k8s.{cluster.name}"))
    cluster.change_credentials(lambda found: made)
    return Ensured(made, "saved, with the CA of the backup")


@step("objects of {cluster.name} that stay")
def read_kept(cluster: Cluster) -> Ensured[tuple[Manifest, ...]]:
    """Read what describes the machines as they are, to put it back after the restore."""
    kept = []
    for name, namespace in KEPT:
        if found := cluster.api().read("ConfigMap", name, namespace):
            kept.append(_without_additions(name, namespace, found))
    return Ensured(tuple(kept), f"{len(kept)} read")


@step("earlier restore of {cluster.name}")
def end_unfinished(cluster: Cluster) -> Ensured[bool]:
    """Go back where a restore was cut off while control planes were stopped."""
    masters = [one for one in cluster.inventory().masters if one.is_up]
    cut_off = [one for one in masters if _on(cluster, one, restoring.is_unfinished)]
    for master in cut_off:
        _on(cluster, master, restoring.go_back)
    names = " ".join(one.id for one in cut_off)
    words = f"was cut off; gone back on {names}" if cut_off else "there is none"
    return Ensured(bool(cut_off), words)


@step("new data of etcd for {cluster.name}")
def prepare_etcd(cluster: Cluster, opened: Opened) -> Ensured[None]:
    """Make the new data on each master, beside those in use; nothing has changed afterwards."""
    masters, snapshot = cluster.inventory().masters, opened.snapshot.read_bytes()
    if off := [one.id for one in masters if not one.is_up]:
        raise FinalError(
            f"master {first_of(off)} does not run, and all masters are restored together: replace "
            f"it first with: python -m flows.repair --name {cluster.name}; nothing was restored"
        )
    members = _on(cluster, masters[0], read_members)
    token = f"{opened.label.name}-{secrets.token_hex(4)}"
    for master in masters:
        name = cluster.node_name(master)

        def prepare(shell: Shell, name: str = name) -> None:
            restoring.prepare(shell, snapshot, name, members, token)

        _on(cluster, master, prepare)
    return Ensured(None, f"on {len(masters)} masters, from {opened.label.keys} keys")


@step("control planes of {cluster.name} stop")
def stop_control_planes(cluster: Cluster) -> Ensured[None]:
    for master in cluster.inventory().masters:
        _on(cluster, master, restoring.stop)
    return Ensured(None, "stopped")


@step("data of etcd of {cluster.name}")
def swap_etcd(cluster: Cluster, facts: Facts) -> Ensured[None]:
    """Put the new data in place on all masters; those of before are kept beside them.

    With them come the keys that have signed the tokens in them; a new cluster has others.
    """
    keys = {name: facts.pki[name] for name in SHARED_KEYS if name in facts.pki}
    for master in cluster.inventory().masters:
        _on(cluster, master, lambda shell: restoring.swap(shell, keys))
    return Ensured(None, f"replaced; the old ones are in {restoring.DATA}/k8s-qingcloud-before")


@step("control planes of {cluster.name} start")
def start_control_planes(cluster: Cluster) -> Ensured[None]:
    for master in cluster.inventory().masters:
        _on(cluster, master, restoring.start)
    return Ensured(None, "started")


@step("earlier data of etcd of {cluster.name}")
def go_back(cluster: Cluster) -> Ensured[None]:
    """Put the data of before in place again."""
    for master in cluster.inventory().masters:
        _on(cluster, master, restoring.go_back)
    return Ensured(None, "in place again")


@step("objects of {cluster.name} that stay")
def put_kept_back(cluster: Cluster, kept: Sequence[Manifest]) -> Ensured[None]:
    changed = sum(cluster.api().apply(one) for one in kept)
    return Ensured(None, f"{changed} of {len(kept)} put back")


@step("what {cluster.name} shares with the source of its backup")
def separate_from_source(cluster: Cluster) -> Ensured[None]:
    """Keep a copy of another cluster from that one's load balancers and volumes."""
    return separate_copy(cluster.api())


@step("kubelets of {cluster.name}")
def restart_kubelets(cluster: Cluster) -> Ensured[None]:
    """Restart all kubelets: they register nodes that the snapshot does not know, at their start."""
    known = {node.name for node in cluster.api().list_nodes()}

    def restart(cluster: Cluster, machine: Instance, shell: Shell) -> str:
        script = RESTART if cluster.node_name(machine) in known else REGISTER
        done = shell.run(["bash", "-c", script], deadline=120)
        return "" if done.exit_code == 0 else f"{machine.id}: {done.stderr.strip()}"

    def unreached(cluster: Cluster, machine: Instance, why: str) -> str:
        return f"{machine.id}: {why}"

    running = cluster.inventory().running
    failed = [why for why in visit_each(cluster, running, restart, unreached) if why]
    if failed:
        return Ensured(None, f"not restarted on {'; '.join(failed)}", failed=True)
    return Ensured(None, f"restarted on {len(running)} machines")


@step("masters of {cluster.name}")
def mark_masters(cluster: Cluster) -> Ensured[None]:
    """Label and taint the masters as such: a kubelet that registers again does not do it."""
    masters = cluster.inventory().masters
    for master in masters:
        _mark(cluster, master, cluster.node_name(master))
    return Ensured(None, f"{len(masters)} labelled")


def _mark(cluster: Cluster, master: Instance, node: str) -> None:
    api = cluster.api()
    wait_for(lambda: api.read_node(node), what=f"node {node}", clock=cluster.clock)
    argv = ["kubeadm", "init", "phase", "mark-control-plane", "--node-name", node]
    done = _on(cluster, master, lambda shell: shell.run(argv, deadline=120))
    check(done.exit_code, "kubeadm init phase mark-control-plane", done.stderr)


def _on(cluster: Cluster, machine: Instance, act: Callable[[Shell], T]) -> T:
    with open_shell(cluster, machine) as shell:
        return act(shell)


def _without_additions(name: str, namespace: str, found: Manifest) -> Manifest:
    """A ConfigMap without what the API server has added to it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": found.get("data") or {},
    }

"""Steps of a backup: snapshot, fetch, seal, store, and what is kept."""

import os
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from blocks.server_calls import delete_variable, read_variable, write_variable
from domain.backup.contents import PKI, Facts, check_snapshot, pack, sum_of
from domain.backup.judging import fingerprint
from domain.backup.keeping import choose_halves, choose_old
from domain.backup.labels import LABEL, SEALED, Label, write_label
from domain.backup.sealing import seal
from domain.backup.store import Store, read_labels
from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.kernel.errors import TemporaryError
from domain.node.fetching import fetch_file
from domain.node.install import check
from domain.node.shell import Shell
from domain.node.snapshots import EtcdSnapshot
from domain.spec.backup import Backup
from tasks.cluster import Cluster
from tasks.shells import open_shell
from tasks.steps import step

KINDS = (
    "Namespace",
    "Deployment",
    "DaemonSet",
    "ReplicationController",
    "Service",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
)
"""The kinds whose objects are listed, so that a restored cluster can be compared with them."""

SHORT = 60.0
"""Seconds for reading a few small files."""

READ_PKI = """\
cd "${SYSROOT:-}/etc/kubernetes/pki"
for name in "$@"; do
  [[ ! -e "$name" ]] || printf '%s %s\\n' "$name" "$(base64 -w 0 < "$name")"
done
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and what seals and opens the backups in it."""

    store: Store
    phrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LastBackup:
    """The last good backup of a cluster, as this Prefect server knows it."""

    name: str
    made_at: datetime
    where: str


@step("store of backups")
def check_store(cluster: Cluster, place: Place) -> Ensured[None]:
    """Write and delete a small file, before anything else is begun."""
    place.store.check()
    return Ensured(None, f"{place.store.where} can be written")


@step("snapshot from {master.id}")
def fetch_snapshot(
    cluster: Cluster, master: Instance, snapshot: EtcdSnapshot, folder: Path
) -> Ensured[Path]:
    """Fetch a snapshot, and check its size and both sums: the machine's and etcd's own."""
    target = folder / "etcd.db"
    with open_shell(cluster, master) as shell, target.open("wb") as file:
        size = _size_on(shell, snapshot.path)
        fetch_file(shell, snapshot.path, size, snapshot.sha256, file)
        shell.run(["bash", "-c", 'rm -f "${SYSROOT:-}$1"', "remove", snapshot.path], deadline=SHORT)
    check_snapshot(target)
    return Ensured(target, f"{target.stat().st_size / 2**20:.1f} MiB, sums are right")


@step("keys and objects of {cluster.name}")
def read_facts(cluster: Cluster, master: Instance) -> Ensured[Facts]:
    """Read what belongs to a snapshot: certificates, description, credentials, names of objects."""
    with open_shell(cluster, master) as shell:
        pki = _read_pki(shell)
    facts = Facts(
        spec=cluster.spec.model_dump(mode="json"),
        credentials=cluster.credentials(),
        pki=pki,
        objects=tuple(cluster.api().list_names(KINDS)),
    )
    return Ensured(facts, f"{len(pki)} keys and certificates, {len(facts.objects)} objects")


@step("backup of {cluster.name}")
def store_backup(
    cluster: Cluster, place: Place, snapshot: EtcdSnapshot, file: Path, facts: Facts
) -> Ensured[Label]:
    """Seal a backup and write it; its label comes last, so a half written one is none."""
    label = _label(cluster, snapshot, facts)
    packed, sealed = file.with_name("packed"), file.with_name("sealed")
    with packed.open("wb") as target:
        pack(target, file, facts)
    with packed.open("rb") as source, sealed.open("wb") as target:
        seal(source, target, place.phrase, label.bound)
    os.unlink(packed)
    label = replace(label, size=sealed.stat().st_size, sum=sum_of(sealed))
    place.store.put(label.name + SEALED, sealed)
    if (found := place.store.size(label.name + SEALED)) != label.size:
        raise TemporaryError(
            f"{place.store.where} has {found} of {label.size} bytes of {label.name}{SEALED}"
        )
    place.store.write(label.name + LABEL, write_label(label))
    keep_last(cluster.key, LastBackup(label.name, label.made_at, place.store.where))
    return Ensured(label, f"{label.name}, {label.size / 2**20:.1f} MiB in {place.store.where}")


@step("old backups of {cluster.name}")
def delete_old(cluster: Cluster, place: Place, policy: Backup, made: Label) -> Ensured[None]:
    """Delete what is beyond the count or too old, and what runs that were cut off have left."""
    prefix = f"{cluster.key}-"
    labels = read_labels(place.store, prefix)
    old = choose_old(labels, policy.keep, policy.keep_days, datetime.now(UTC))
    for one in old:
        place.store.delete(one.name + LABEL)  # first: without a label it is none
        place.store.delete(one.name + SEALED)
    halves = choose_halves(place.store.names(), cluster.key, made.name)
    for name in halves:
        place.store.delete(name)
    kept = f"{len(labels) - len(old)} kept"
    return Ensured(None, f"{len(old)} deleted, {kept}" if old or halves else kept)


def _size_on(shell: Shell, path: str) -> int:
    done = shell.run(["bash", "-c", 'stat -c %s "${SYSROOT:-}$1"', "size", path], deadline=SHORT)
    check(done.exit_code, f"the size of {path}", done.stderr)
    return int(done.stdout)


def _read_pki(shell: Shell) -> Mapping[str, str]:
    done = shell.run(["bash", "-c", READ_PKI, "read", *PKI], deadline=SHORT)
    check(done.exit_code, "reading the keys of the control plane", done.stderr)
    rows = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: b64decode(text).decode() for name, _, text in rows}


def read_last(key: str) -> LastBackup | None:
    """The last good backup of a cluster, by its key; None where this server knows of none."""
    found = read_variable(_variable(key))
    if not found:
        return None
    return LastBackup(found["name"], datetime.fromisoformat(found["made_at"]), found["where"])


def keep_last(key: str, last: LastBackup) -> None:
    document = {"name": last.name, "made_at": last.made_at.isoformat(), "where": last.where}
    write_variable(_variable(key), document)


def forget_last(key: str) -> None:
    delete_variable(_variable(key))


def _variable(key: str) -> str:
    return f"cluster-backup-{key}"


def _label(cluster: Cluster, snapshot: EtcdSnapshot, facts: Facts) -> Label:
    kinds = Counter(name.partition(" ")[0] for name in facts.objects)
    return Label(
        cluster=cluster.name,
        key=cluster.key,
        zone=cluster.account.zone,
        made_at=datetime.now(UTC).replace(microsecond=0),
        kubernetes=cluster.api().read_version().removeprefix("v"),
        etcd=snapshot.version,
        ca=fingerprint(cluster.credentials().ca.certificate),
        revision=snapshot.revision,
        keys=snapshot.keys,
        objects=dict(kinds),
    )

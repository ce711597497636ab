"""etcd on a master: its own tools, which are in its container, called over SSH."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from domain.kernel.errors import CommandFailed, FinalError
from domain.node.shell import Shell

DEADLINE = 60.0
"""Seconds for a question; etcd itself gives up earlier."""

# etcd's tools are in its container only, and kubeadm puts the certificates where both see them.
CALL = """\
set -euo pipefail
tool=$1
shift
container="$(crictl ps --name '^etcd$' -q | head -n 1)"
if [[ -z "$container" ]]; then
  echo 'no container of etcd runs on this machine' >&2
  exit 1
fi
pki=/etc/kubernetes/pki/etcd
access=(--endpoints https://127.0.0.1:2379 --cacert "$pki/ca.crt")
access+=(--cert "$pki/healthcheck-client.crt" --key "$pki/healthcheck-client.key")
[[ "$tool" == etcdctl ]] || access=()
exec crictl exec "$container" "$tool" ${access[@]+"${access[@]}"} "$@"
"""

# kubeadm lets etcd answer there without a certificate, on the master only.
METRICS = "curl -fsS --max-time 10 http://127.0.0.1:2381/metrics"


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """A member in the list; one that has not started has no name yet."""

    id: str
    name: str
    peer_url: str
    started: bool
    is_learner: bool = False


@dataclass(frozen=True, slots=True)
class EtcdState:
    """etcd as one of its members sees it.

    Attributes:
        machine: the master's node.
        size, quota: bytes of the database, and how many it may have; 0 where that is not known.
        fsync_p99: seconds within which 99 of 100 writes of the log reached the disk.
        alarm: what etcd itself complains of, such as `NOSPACE`.
    """

    machine: str
    members: tuple[EtcdMember, ...]
    version: str
    size: int
    quota: int
    fsync_p99: float
    has_leader: bool
    alarm: str = ""


def call_etcd(shell: Shell, *words: str, tool: str = "etcdctl", deadline: float = DEADLINE) -> str:
    """Run one of etcd's tools in the container. Returns: its standard output.

    Raises:
        CommandFailed: it failed, or no container runs; the message is its last line.
    """
    done = shell.run(["bash", "-c", CALL, "etcd", tool, *words], deadline=deadline)
    if done.exit_code:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        said = lines[-1].strip() if lines else "it did not say why"
        what = " ".join((tool, *words[:2]))
        raise CommandFailed(f"{what}: {said}", exit_code=done.exit_code)
    return done.stdout


def read_members(shell: Shell) -> tuple[EtcdMember, ...]:
    """Read the list of members. Raises `CommandFailed` without a quorum, too."""
    found = _json(call_etcd(shell, "member", "list", "-w", "json"), "member list")
    return tuple(_member(one) for one in found["members"])


def read_etcd(shell: Shell, machine: str) -> EtcdState:
    """Read the state of etcd from one master. Raises as `call_etcd` does."""
    status = _json(call_etcd(shell, "endpoint", "status", "-w", "json"), "endpoint status")
    [seen] = status
    state: Mapping[str, Any] = seen["Status"]
    metrics = shell.run(["bash", "-c", METRICS], deadline=DEADLINE)
    values = read_metrics(metrics.stdout) if metrics.exit_code == 0 else {}
    return EtcdState(
        machine,
        read_members(shell),
        version=str(state.get("version", "")),
        size=int(state["dbSize"]),
        quota=int(state.get("dbSizeQuota") or values.get(_QUOTA, 0)),
        fsync_p99=values.get(_FSYNC, 0.0),
        has_leader=bool(state.get("leader")),
        alarm=", ".join(state.get("errors") or ()),
    )


_QUOTA = "etcd_server_quota_backend_bytes"
_FSYNC = "etcd_disk_wal_fsync_duration_seconds"


def read_metrics(page: str) -> dict[str, float]:
    """The quota of the database, and the 99th percentile of the log's writes, from a page."""
    found: dict[str, float] = {}
    buckets: list[tuple[float, float]] = []
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == _QUOTA:
                found[_QUOTA] = sample.value
            elif sample.name == f"{_FSYNC}_bucket":
                buckets.append((float(sample.labels["le"]), sample.value))
    if buckets and (total := max(count for _, count in buckets)):
        found[_FSYNC] = next(le for le, count in sorted(buckets) if count >= 0.99 * total)
    return found


def _member(document: Mapping[str, Any]) -> EtcdMember:
    return EtcdMember(
        f"{int(document['ID']):x}",
        str(document.get("name", "")),
        next(iter(document.get("peerURLs") or ()), ""),
        started=bool(document.get("name")),
        is_learner=bool(document.get("isLearner")),
    )


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise FinalError(f"etcdctl {what} answered {text[:80]!r}, which is no JSON") from error


def urls_of(members: Sequence[EtcdMember]) -> str:
    """The members as etcd's flag `--initial-cluster` names them."""
    return ",".join(f"{one.name}={one.peer_url}" for one in members)

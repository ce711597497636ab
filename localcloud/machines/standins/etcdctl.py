"""Stand-in for etcdctl, as it is in the container of etcd: the members of the cluster."""

import json
from collections.abc import Sequence
from dataclasses import replace

from localcloud.kubernetes.etcd import Etcd, EtcdRefused, Member
from localcloud.kubernetes.planes import Plane
from localcloud.machines.standins import etcd_snapshots
from localcloud.machines.standins.call import Arguments, Call, Failed, parse_args

QUOTA = 2 * 2**30
"""Bytes that the database may have, etcd's default."""

_LOCAL = "https://127.0.0.1:2379"
_OPTIONS = (
    "--endpoints", "--cacert", "--cert", "--key", "-w", "--write-out", "--command-timeout",
    "--dial-timeout",
)  # fmt: skip


async def run(call: Call, words: Sequence[str]) -> int:
    """Do what `etcdctl WORDS` does in the container of this machine's member."""
    inner = replace(call, name="etcdctl", arguments=list(words))
    taken = parse_args(inner, options=_OPTIONS)
    if taken.words == ["endpoint", "health"]:
        return await _show_health(inner, taken)
    plane = _reach(inner, taken)
    try:
        await _run(inner, taken, plane)
    except EtcdRefused as error:
        raise Failed(_log(inner, str(error)) + f"\nError: {error}") from error
    return 0


async def _run(call: Call, taken: Arguments, plane: Plane) -> None:
    etcd = plane.etcd
    if not etcd.has_quorum:
        raise EtcdRefused("context deadline exceeded")
    match taken.words:
        case ["member", "list"]:
            await call.out(_listed(etcd, taken.value("-w", "--write-out", default="simple")))
        case ["member", "remove", word]:
            gone = etcd.remove(_id_of(word))
            await plane.follow_etcd()
            await call.out(f"Member {gone.id:x} removed from cluster {etcd.cluster_id:16x}")
        case ["endpoint", "status"]:
            await call.out(_status(call, taken, etcd))
        case ["snapshot", "save", name]:
            plane.settle()
            await call.out(etcd_snapshots.save(call, call.context.cluster_data, name))
        case rest:
            raise call.unknown(" ".join(rest))


async def _show_health(call: Call, taken: Arguments) -> int:
    """Ask one member, also another master's, whether it can commit."""
    plane = _local_plane(call, taken)
    endpoint = taken.value("--endpoints")
    asked = [one.id for one in plane.etcd.members if one.client_url == endpoint]
    if endpoint == _LOCAL:
        asked = [one for one in (call.machine.cluster.control_plane.member_id,) if one]
    if plane.etcd.has_quorum and any(plane.etcd.runs(one) for one in asked):
        await call.out(f"{endpoint} is healthy: successfully committed proposal: took = 2.151303ms")
        return 0
    await call.err(
        f"{_log(call, 'context deadline exceeded')}\n{endpoint} is unhealthy: failed to commit "
        "proposal: context deadline exceeded"
    )
    raise Failed("Error: unhealthy cluster")


def _status(call: Call, taken: Arguments, etcd: Etcd) -> str:
    """Return the state of this machine's member, as JSON."""
    if taken.value("-w", "--write-out") != "json":
        raise call.unknown("endpoint status without -w json")
    member = call.machine.cluster.control_plane.member_id
    size = sum(file.stat().st_size for file in call.context.cluster_data.parent.glob("db*"))
    header = {"cluster_id": etcd.cluster_id, "member_id": member, "raft_term": 2}
    return json.dumps(
        [
            {
                "Endpoint": taken.value("--endpoints"),
                "Status": {
                    "header": header,
                    "version": "3.6.0",
                    "dbSize": size,
                    "leader": etcd.leader,
                    "raftTerm": 2,
                    "dbSizeInUse": size,
                    "dbSizeQuota": QUOTA,
                },
            }
        ]
    )


def _reach(call: Call, taken: Arguments) -> Plane:
    """Return the plane of this machine's member. Raises `Failed` as the real one does."""
    plane = _local_plane(call, taken)
    endpoint = taken.value("--endpoints", default="http://127.0.0.1:2379")
    if endpoint not in (_LOCAL, f"https://{call.context.spec.address}:2379"):
        raise call.unknown(f"--endpoints {endpoint}")
    if call.machine.cluster.control_plane.member_id not in plane.etcd.running:
        raise _late(call)
    return plane


def _local_plane(call: Call, taken: Arguments) -> Plane:
    """Return the plane; without certificates nothing answers."""
    plane = call.machine.cluster.control_plane.plane
    files = [taken.value(name) for name in ("--cacert", "--cert", "--key")]
    if plane is None or not all(name and call.path(name).exists() for name in files):
        raise _late(call)
    return plane


def _late(call: Call) -> Failed:
    words = "context deadline exceeded"
    return Failed(f"{_log(call, words)}\nError: {words}")


def _log(call: Call, error: str) -> str:
    now = call.context.shared.clock.now()
    return json.dumps(
        {
            "level": "warn",
            "ts": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "logger": "etcd-client",
            "caller": "v3@v3.6.8/retry_interceptor.go:65",
            "msg": "retrying of unary invoker failed",
            "error": f"rpc error: code = Unknown desc = {error}",
        }
    )


def _listed(etcd: Etcd, form: str) -> str:
    """Return the members; those that never ran have no name and no address for clients."""
    if form == "json":
        return json.dumps(
            {
                "header": {"cluster_id": etcd.cluster_id, "member_id": etcd.leader, "raft_term": 2},
                "members": [_described(one) for one in etcd.members],
            }
        )
    return "\n".join(
        ", ".join(
            (
                f"{one.id:x}",
                "started" if one.has_started else "unstarted",
                one.name if one.has_started else "",
                one.peer_url,
                one.client_url if one.has_started else "",
                str(one.is_learner).lower(),
            )
        )
        for one in etcd.members
    )


def _described(member: Member) -> dict[str, object]:
    document: dict[str, object] = {"ID": member.id, "peerURLs": [member.peer_url]}
    if member.has_started:
        document |= {"name": member.name, "clientURLs": [member.client_url]}
    return document | ({"isLearner": True} if member.is_learner else {})


def _id_of(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError as error:
        raise Failed(
            f'Error: bad member ID arg (strconv.ParseUint: parsing "{word}": invalid syntax), '
            "expecting ID in Hex"
        ) from error

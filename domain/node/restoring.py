"""Putting etcd back on masters.

The new data are made beside the ones in use, by etcd's own tool, which checks the snapshot: until
then nothing has changed. Then all masters stop their control planes, put the new data in place of
the old, which are kept, and start again. Each script looks before it acts, and may be repeated.
"""

from collections.abc import Mapping, Sequence

from domain.kernel.errors import FinalError
from domain.node.etcd import EtcdMember, call_etcd, urls_of
from domain.node.install import check
from domain.node.shell import Shell

DATA = "/var/lib/etcd"
UPLOADED, PREPARED = f"{DATA}/k8s-qingcloud-restore.db", f"{DATA}/k8s-qingcloud-restored"

BUMP = 1_000_000_000
"""Revisions by which the restored etcd is ahead of any other, so that caches read it anew."""

PREPARE_DEADLINE, STOP_DEADLINE, SHORT = 900.0, 180.0, 60.0

_NAMES = """\
set -euo pipefail
manifests="${SYSROOT:-}/etc/kubernetes/manifests"
aside="${SYSROOT:-}/etc/kubernetes/k8s-qingcloud-aside"
data="${SYSROOT:-}/var/lib/etcd"
before="$data/k8s-qingcloud-before" restored="$data/k8s-qingcloud-restored"
"""

CLEAR = _NAMES + 'rm -rf "$restored" "$data/k8s-qingcloud-restore.db"\n'

# A kubelet ends a static pod whose manifest is gone.
STOP = (
    _NAMES
    + """\
mkdir -p -m 700 "$aside"
for name in kube-apiserver kube-controller-manager kube-scheduler etcd; do
  [[ ! -e "$manifests/$name.yaml" ]] || mv -f "$manifests/$name.yaml" "$aside/"
done
for ((second = 0; second < 150; second++)); do
  [[ -n "$(crictl ps --name '^(etcd|kube-apiserver)$' -q)" ]] || exit 0
  sleep 1
done
echo 'etcd or the API server still runs' >&2
exit 1
"""
)

SWAP = (
    _NAMES
    + """\
if [[ -d "$restored/member" ]]; then
  if [[ -d "$data/member" ]]; then
    rm -rf "$before"
    mv "$data/member" "$before"
  fi
  mv "$restored/member" "$data/member"
fi
rm -rf "$restored" "$data/k8s-qingcloud-restore.db"
[[ -d "$data/member" ]]
"""
)

BACK = (
    _NAMES
    + """\
if [[ -d "$before" ]]; then
  rm -rf "$data/member"
  mv "$before" "$data/member"
fi
rm -rf "$restored" "$data/k8s-qingcloud-restore.db"
"""
)

START = (
    _NAMES
    + """\
[[ ! -d "$aside" ]] || find "$aside" -name '*.yaml' -exec mv -f {} "$manifests/" \\;
rm -rf "$aside"
"""
)

IS_UNFINISHED = _NAMES + '[[ -d "$aside" ]]\n'


def prepare(
    shell: Shell, snapshot: bytes, name: str, members: Sequence[EtcdMember], token: str
) -> None:
    """Make the new data of a master's member beside the ones in use.

    Args:
        name: of this master's member.
        members: of the new etcd, by which each knows the others.
        token: the same on all masters, and new, so that no member of before is taken for one.

    Raises:
        CommandFailed: etcd's tool refuses the snapshot, or etcd does not run; nothing has changed.
    """
    own = next((one for one in members if one.name == name), None)
    if own is None:
        raise FinalError(f"{name} is no member of etcd; nothing was restored")
    _run(shell, CLEAR, "the last restore")
    shell.write_file(UPLOADED, snapshot, 0o600)
    call_etcd(
        shell,
        "snapshot",
        "restore",
        UPLOADED,
        "--data-dir",
        PREPARED,
        "--name",
        name,
        "--initial-cluster",
        urls_of(members),
        "--initial-advertise-peer-urls",
        own.peer_url,
        "--initial-cluster-token",
        token,
        "--bump-revision",
        str(BUMP),
        "--mark-compacted",
        tool="etcdutl",
        deadline=PREPARE_DEADLINE,
    )


def stop(shell: Shell) -> None:
    """Stop a master's control plane, and wait for its end."""
    _run(shell, STOP, "stopping the control plane", STOP_DEADLINE)


def swap(shell: Shell, keys: Mapping[str, str]) -> None:
    """Put the prepared data in place of those of before.

    Args:
        keys: files of /etc/kubernetes/pki that are replaced with them.
    """
    for name, content in keys.items():
        shell.write_file(f"/etc/kubernetes/pki/{name}", content.encode(), 0o600)
    _run(shell, SWAP, "putting etcd's data in place")


def start(shell: Shell) -> None:
    """Let the control plane start again."""
    _run(shell, START, "starting the control plane")


def go_back(shell: Shell) -> None:
    """Put the data of before in place again, and let the control plane start."""
    stop(shell)
    _run(shell, BACK, "putting etcd's earlier data back")
    start(shell)


def is_unfinished(shell: Shell) -> bool:
    """Whether a restore was cut off on this master while its control plane was stopped."""
    done = shell.run(["bash", "-c", IS_UNFINISHED], deadline=SHORT)
    return done.exit_code == 0


def _run(shell: Shell, script: str, what: str, deadline: float = SHORT) -> None:
    done = shell.run(["bash", "-c", script], deadline=deadline)
    check(done.exit_code, what, done.stderr)

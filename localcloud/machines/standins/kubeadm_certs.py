"""The certificates of a control plane: made by init and join, renewed, shown."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from localcloud import pki
from localcloud.clock import stamp
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins.call import Arguments, Call, Failed
from localcloud.machines.standins.container_lists import columns
from localcloud.machines.standins.kubeadm_config import ClusterSettings

ADMIN_GROUP = "kubeadm:cluster-admins"

AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd/ca": "etcd-ca"}
"""Files below the PKI folder, in the order in which init makes them, with their common names."""

SIGNING = "sa"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate with its key.

    Attributes:
        name: as in `kubeadm certs renew NAME`; of a kubeconfig, its file.
        file: below the PKI folder, without its ending; empty for a kubeconfig.
        words: its long name in messages.
    """

    name: str
    file: str
    authority: str
    user: str
    group: str
    words: str
    component: str  # that reads it

    @property
    def is_kubeconfig(self) -> bool:
        return not self.file


def _config(name: str, user: str, group: str, whom: str, component: str = "") -> Leaf:
    words = f"certificate embedded in the kubeconfig file for {whom}"
    return Leaf(name, "", "ca", user, group, words, component)


LEAVES = (
    _config(
        "admin.conf", "kubernetes-admin", ADMIN_GROUP, "the admin to use and for kubeadm itself"
    ),
    Leaf(
        "apiserver", "apiserver", "ca", "kube-apiserver", "",
        "certificate for serving the Kubernetes API", "kube-apiserver",
    ),
    Leaf(
        "apiserver-etcd-client", "apiserver-etcd-client", "etcd/ca",
        "kube-apiserver-etcd-client", "",
        "certificate the apiserver uses to access etcd", "kube-apiserver",
    ),
    Leaf(
        "apiserver-kubelet-client", "apiserver-kubelet-client", "ca",
        "kube-apiserver-kubelet-client", ADMIN_GROUP,
        "certificate for the API server to connect to kubelet", "kube-apiserver",
    ),
    _config(
        "controller-manager.conf", "system:kube-controller-manager", "",
        "the controller manager to use", "kube-controller-manager",
    ),
    Leaf(
        "etcd-healthcheck-client", "etcd/healthcheck-client", "etcd/ca",
        "kube-etcd-healthcheck-client", "",
        "certificate for liveness probes to healthcheck etcd", "etcd",
    ),
    Leaf(
        "etcd-peer", "etcd/peer", "etcd/ca", "", "",
        "certificate for etcd nodes to communicate with each other", "etcd",
    ),
    Leaf(
        "etcd-server", "etcd/server", "etcd/ca", "", "", "certificate for serving etcd", "etcd"
    ),
    Leaf(
        "front-proxy-client", "front-proxy-client", "front-proxy-ca", "front-proxy-client", "",
        "certificate for the front proxy client", "kube-apiserver",
    ),
    _config(
        "scheduler.conf", "system:kube-scheduler", "", "the scheduler manager to use",
        "kube-scheduler",
    ),
    _config("super-admin.conf", "kubernetes-super-admin", "system:masters", "the super-admin"),
)  # fmt: skip
"""In the order of `kubeadm certs`. The kubelet's is not among them: it rotates its own."""

_MADE_IN_ORDER = (
    "apiserver", "apiserver-kubelet-client", "front-proxy-client", "etcd-server", "etcd-peer",
    "etcd-healthcheck-client", "apiserver-etcd-client",
)  # fmt: skip


def pki_folder(call: Call) -> Path:
    return call.context.disk / KUBERNETES / "pki"


# --- made ------------------------------------------------------------------------------------


async def ensure_authorities(call: Call) -> None:
    """Make the missing authorities, and the key of service accounts.

    Raises:
        Failed: the given authority cannot be used.
    """
    folder, now = pki_folder(call), call.context.shared.clock.now()
    await call.out(f'[certs] Using certificateDir folder "/{KUBERNETES}/pki"')
    for name, common_name in AUTHORITIES.items():
        known = read_authority(call, name)
        if known is None:
            write_pair(folder / name, pki.make_authority(now, common_name))
            await call.out(f'[certs] Generating "{name}" certificate and key')
        else:
            await call.out(f"[certs] Using existing {name} certificate authority")


def read_authority(call: Call, name: str = "ca") -> pki.Pair | None:
    """Return an authority, or None without its certificate. Raises `Failed` where it is wrong."""
    stem = pki_folder(call) / name
    try:
        return pki.read_authority(stem.parent, stem.name)
    except pki.BadAuthority as error:
        raise Failed(f"error execution phase certs/{name}: {error}") from error


def start_of(pair: pki.Pair) -> datetime:
    """Return from when on a certificate is valid."""
    return pki.start_of(pair.certificate)


def _need_authority(call: Call, name: str = "ca") -> pki.Pair:
    found = read_authority(call, name)
    assert found is not None, f"{name} was made before"
    return found


async def ensure_leaves(
    call: Call, cluster: ClusterSettings, server_names: Mapping[str, list[str]]
) -> None:
    """Make the missing certificates.

    Args:
        server_names: by the name of a server's certificate.

    Raises:
        Failed: one half of a pair is missing, as after an init that was killed between the two.
    """
    folder = pki_folder(call)
    by_name = {leaf.name: leaf for leaf in LEAVES}
    for leaf in (by_name[name] for name in _MADE_IN_ORDER):
        stem = folder / leaf.file
        halves = [stem.with_name(f"{stem.name}{ending}").exists() for ending in (".crt", ".key")]
        if all(halves):
            await call.out(f"[certs] Using existing {leaf.file} certificate and key on disk")
            continue
        if any(halves):
            raise Failed(
                f"error execution phase certs/{leaf.name}: failed to write or validate "
                f'certificate "{leaf.name}": failure loading {leaf.file} certificate: failed to '
                "load certificate"
            )
        names = server_names.get(leaf.name, [])
        pair = pki.issue(
            _need_authority(call, leaf.authority),
            call.context.shared.clock.now(),
            leaf.user or names[0],
            organizations=[leaf.group] if leaf.group else [],
            server_names=names,
            validity=cluster.certificate_validity,
        )
        write_pair(stem, pair)
        await call.out(f'[certs] Generating "{leaf.file}" certificate and key')
        if names:
            await call.out(f"[certs] {leaf.file} serving cert is signed for {_shown(names)}")


def _shown(names: list[str]) -> str:
    def is_address(name: str) -> bool:
        return ":" in name or name.replace(".", "").isdigit()

    addresses = [name for name in names if is_address(name)]
    words = [name for name in names if not is_address(name)]
    return f"DNS names [{' '.join(words)}] and IPs [{' '.join(addresses)}]"


async def ensure_signing_key(call: Call) -> None:
    """Make the key that signs the tokens of service accounts, as `sa.key` and `sa.pub`."""
    folder = pki_folder(call)
    if (folder / f"{SIGNING}.key").exists():
        await call.out(f'[certs] Using the existing "{SIGNING}" key')
        return
    pair = pki.make_signing_key()
    write_private(folder / f"{SIGNING}.key", pair.key)
    (folder / f"{SIGNING}.pub").write_bytes(pair.certificate)
    await call.out(f'[certs] Generating "{SIGNING}" key and public key')


def write_pair(stem: Path, pair: pki.Pair) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.crt").write_bytes(pair.certificate)
    write_private(stem.with_name(f"{stem.name}.key"), pair.key)


def write_private(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)


async def write_kubeconfig(
    call: Call, cluster: ClusterSettings, name: str, user: str, group: str, server: str
) -> None:
    """Write one kubeconfig file with a certificate in it; an existing one is used again."""
    file = call.context.disk / KUBERNETES / name
    if file.exists():
        await call.out(f'[kubeconfig] Using existing kubeconfig file: "/{KUBERNETES}/{name}"')
        return
    authority = _need_authority(call)
    pair = pki.issue(
        authority,
        call.context.shared.clock.now(),
        user,
        organizations=[group] if group else [],
        validity=cluster.certificate_validity,
    )
    text = pki.kubeconfig(
        f"https://{server}", user, authority.certificate, pki.client_credentials(pair)
    )
    write_private(file, text.encode())
    await call.out(f'[kubeconfig] Writing "{name}" kubeconfig file')


# --- renewed ---------------------------------------------------------------------------------


async def renew(call: Call, name: str, cluster: ClusterSettings) -> None:
    """Do what `kubeadm certs renew` does; components use the new ones after their restart.

    Raises:
        Failed: there is no such certificate.
    """
    leaves = [leaf for leaf in LEAVES if name in (leaf.name, "all")]
    if not leaves:
        raise call.unknown(f"certs renew {name}")
    for leaf in leaves:
        is_there = renew_leaf(call, leaf, cluster)
        await call.out(f"{leaf.words} renewed" if is_there else f"MISSING! {leaf.words}")
    if name == "all":
        await call.out(
            "\nDone renewing certificates. You must restart the kube-apiserver, "
            "kube-controller-manager, kube-scheduler and etcd, so that they can use the new "
            "certificates."
        )


def renew_leaf(call: Call, leaf: Leaf, cluster: ClusterSettings) -> bool:
    """Replace one certificate by one of the same subject and names. Returns: whether it exists."""
    old = _read(call, leaf)
    if old is None:
        return False
    now = call.context.shared.clock.now()
    authority = _need_authority(call, leaf.authority)
    pair = pki.issue_again(authority, now, old, cluster.certificate_validity)
    if not leaf.is_kubeconfig:
        write_pair(pki_folder(call) / leaf.file, pair)
        return True
    file = call.context.disk / KUBERNETES / leaf.name
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["users"][0]["user"] = pki.client_credentials(pair)
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return True


def _read(call: Call, leaf: Leaf) -> bytes | None:
    """Return a certificate, or None where its file does not exist."""
    if leaf.is_kubeconfig:
        file = call.context.disk / KUBERNETES / leaf.name
        if not file.exists():
            return None
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        return base64.b64decode(config["users"][0]["user"]["client-certificate-data"])
    stem = pki_folder(call) / leaf.file
    file = stem.with_name(f"{stem.name}.crt")
    return file.read_bytes() if file.exists() else None


# --- shown -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    ends: datetime | None
    authority: str = ""


def _leaf_rows(call: Call) -> Iterator[_Row]:
    for leaf in LEAVES:
        found = _read(call, leaf)
        ends = pki.end_of(found) if found else None
        yield _Row(leaf.name, ends, leaf.authority.replace("/", "-"))


def _authority_rows(call: Call) -> Iterator[_Row]:
    for name in ("ca", "etcd/ca", "front-proxy-ca"):
        file = pki_folder(call) / f"{name}.crt"
        ends = pki.end_of(file.read_bytes()) if file.exists() else None
        yield _Row(name.replace("/", "-"), ends)


async def show(call: Call, taken: Arguments) -> None:
    """Do what `kubeadm certs check-expiration` does."""
    now = call.context.shared.clock.now()
    leaves, authorities = list(_leaf_rows(call)), list(_authority_rows(call))
    if taken.value("-o", "--output") == "json":
        described = {
            "kind": "CertificateExpirationInfo",
            "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
            "certificates": [_described(row, now) for row in leaves],
            "certificateAuthorities": [_described(row, now) for row in authorities],
        }
        await call.out(json.dumps(described, indent=4))
        return
    middle, last = ("EXPIRES", "RESIDUAL TIME"), "EXTERNALLY MANAGED"
    head = ("CERTIFICATE", *middle, "CERTIFICATE AUTHORITY", last)
    await call.out(_table(head, leaves, now, lambda row: (row.authority,)))
    rest = _table(("CERTIFICATE AUTHORITY", *middle, last), authorities, now, lambda row: ())
    await call.out("\n" + rest)


def _table(
    head: tuple[str, ...],
    rows: list[_Row],
    now: datetime,
    more: Callable[[_Row], tuple[str, ...]],
) -> str:
    lines = [head]
    for row in rows:
        if row.ends is None:
            lines.append((f"!MISSING! {row.name}", *[""] * (len(head) - 1)))
        else:
            ends = f"{row.ends:%b %d, %Y %H:%M} UTC"
            lines.append((row.name, ends, _residual(row.ends - now), *more(row), "no"))
    return columns(lines)


def _described(row: _Row, now: datetime) -> dict[str, object]:
    ends = {"expirationDate": None, "residualTime": 0}
    if row.ends is not None:
        seconds = int((row.ends - now).total_seconds())
        ends = {"expirationDate": stamp(row.ends), "residualTime": seconds}  # type: ignore[dict-item]
    authority = {"caName": row.authority} if row.authority else {}
    missing = row.ends is None
    return {"name": row.name, **ends, "externallyManaged": False, **authority, "missing": missing}


def _residual(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    if seconds < 0:
        return "<invalid>"
    for size, unit in ((365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

"""A further master: its conditions, the certificates that it downloads, its static pods."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localcloud.kubernetes.etcd import EtcdRefused, Member
from localcloud.kubernetes.planes import Plane, hash_of_ca
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import (
    kubeadm_certs,
    kubeadm_init,
    kubeadm_manifests,
    preflight,
)
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.kubeadm_config import ClusterSettings, ControlPlaneJoin
from localcloud.machines.standins.kubeadm_upload_certs import (
    NONCE,
    SECRET,
    SHARED_FILES,
    bytes_of,
    data_key,
    phase_error,
    shown,
)
from localcloud.machines.standins.kubeadm_versions import images_of

_NEEDED = {
    "ca.crt": "certificate for CA",
    "sa.key": "key for service account",
    "front-proxy-ca.crt": "certificate for front-proxy CA",
    "etcd/ca.crt": "certificate for etcd CA",
}

ReadSecret = Callable[[str], Awaitable[dict[str, Any] | None]]


async def check_conditions(call: Call, cluster: ClusterSettings, wanted: ControlPlaneJoin) -> None:
    """Refuse a master without an endpoint of the cluster, or without keys and a way to get them."""
    failures = []
    if not cluster.endpoint:
        failures.append(
            "unable to add a new control plane instance to a cluster that doesn't have a stable "
            "controlPlaneEndpoint address"
        )
    if not wanted.certificate_key:
        folder = kubeadm_certs.pki_folder(call)
        missing = [
            f"failure loading {what}: couldn't load the file {shown(name)}: open {shown(name)}: "
            "no such file or directory"
            for name, what in _NEEDED.items()
            if not (folder / name).exists()
        ]
        if missing:
            failures.append(f"[{', '.join(missing)}]")
    if failures:
        listed = "\n\n".join(failures)
        raise Failed(
            "error execution phase preflight: \nOne or more conditions for hosting a new "
            f"control plane instance is not satisfied.\n\n{listed}\n\nPlease ensure that:\n"
            "* The cluster has a stable controlPlaneEndpoint address.\n"
            "* The certificates that must be shared among control plane instances are provided.\n"
            f""
        )


async def become_master(
    call: Call,
    cluster: ClusterSettings,
    node: str,
    wanted: ControlPlaneJoin,
    read_secret: ReadSecret,
) -> None:
    """Download the shared keys, make this master's own certificates, and write its manifests.

    Raises:
        Failed: the Secret has ended, or the key is not the one that it was made with.
    """
    context = call.context
    await preflight.pull_images(call, images_of(cluster.version, cluster.repository))
    if wanted.certificate_key:
        await _download(call, wanted.certificate_key, read_secret)
    await kubeadm_init.write_certificates(call, cluster, node, wanted.address)
    await call.out('[certs] Valid certificates and keys now exist in "/etc/kubernetes/pki"')
    await kubeadm_init.write_kubeconfigs(call, cluster, node, wanted.address, is_first=False)
    await kubeadm_manifests.write_all(call, cluster)
    authority = kubeadm_certs.read_authority(call)
    assert authority is not None
    plane = context.find_plane(hash_of_ca(authority.certificate))
    assert plane is not None, "the cluster has just answered"
    await _check_etcd(call, plane)
    member = await _announce_member(call, plane, node, wanted.address)
    context.state.control_plane = kubeadm_init.record(cluster, node) | {"member": member.id}


async def _check_etcd(call: Call, plane: Plane) -> None:
    """Ask every member that ever ran. Raises `Failed` where one does not answer.

    The real one asks again for two minutes.
    """
    await call.out("[check-etcd] Checking that the etcd cluster is healthy")
    for member in plane.etcd.members:
        if member.has_started and not plane.etcd.runs(member.id):
            raise phase_error(
                "check-etcd",
                f"etcd cluster is not healthy: failed to dial endpoint {member.client_url} with "
                "maintenance client: context deadline exceeded",
            )


async def _announce_member(call: Call, plane: Plane, node: str, address: str) -> Member:
    if not plane.takes_members:
        raise call.unknown("join of a further master: a real control plane has one API server here")
    try:
        member = plane.etcd.add_learner(node, address)
    except EtcdRefused as error:
        what = f"error creating local etcd static pod manifest file: {error}"
        raise phase_error("etcd-join", what) from error
    await call.out(
        "[etcd] Announced new etcd member joining to the existing etcd cluster\n"
        "[etcd] Waiting for the new etcd member to join the cluster. This can take up to 40s"
    )
    return member


async def _download(call: Call, key: str, read_secret: ReadSecret) -> None:
    phase = "control-plane-prepare/download-certs"
    await call.out(
        f'[download-certs] Downloading the certificates in Secret "{SECRET}" in the "kube-system" '
        "Namespace\n"
        "[download-certs] Saving the certificates to the folder: "
        f'"/{KUBERNETES}/pki"'
    )
    found = await read_secret(SECRET)
    if found is None:
        raise phase_error(
            phase,
            f'error downloading certs: error downloading the secret: Secret "{SECRET}" was not '
            'found in the "kube-system" Namespace. This Secret might have expired. Please, run '
            "`kubeadm init phase upload-certs --upload-certs` on a control plane to generate a "
            "new one",
        )
    cipher = AESGCM(bytes_of(key))
    for name in SHARED_FILES:
        sealed = base64.b64decode(found["data"][data_key(name)])
        try:
            content = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], None)
        except InvalidTag as error:
            raise phase_error(
                phase,
                "error downloading certs: error decoding secret data with provided key: cipher: "
                "message authentication failed",
            ) from error
        file = kubeadm_certs.pki_folder(call) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        kubeadm_certs.write_private(file, content)

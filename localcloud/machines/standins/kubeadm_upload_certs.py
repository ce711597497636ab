"""`kubeadm init phase upload-certs`: a control plane's shared keys, sealed, for further masters."""

import base64
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localcloud.kubernetes.access.join_tokens import BootstrapToken, token_secret
from localcloud.kubernetes.access.roles import JOINERS
from localcloud.kubernetes.client import ApiClient, ApiFailure
from localcloud.kubernetes.objects import kinds
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import kubeadm_certs
from localcloud.machines.standins.call import Call, Failed

SECRET = "kubeadm-certs"  # noqa: S105 - its name
SHARED_FILES = (
    "ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key",
    "etcd/ca.crt", "etcd/ca.key",
)  # fmt: skip
NONCE = 12  # bytes in front of each encrypted file
_KEY = 32  # bytes
_LIFETIME = timedelta(hours=2)
_SYSTEM = "kube-system"


def new_certificate_key() -> str:
    return secrets.token_hex(_KEY)


async def upload(call: Call, api: ApiClient, given: str, *, shows_key: bool) -> None:
    """Do what `kubeadm init phase upload-certs --upload-certs` does.

    The Secret can be read with a join token, and decrypted with the key alone. It belongs to a
    bootstrap token of its own, with which it ends after two hours.

    Raises:
        Failed: the key has another form, or this machine has not got all files.
    """
    key = given or new_certificate_key()
    cipher = AESGCM(bytes_of(key))
    folder = kubeadm_certs.pki_folder(call)
    await call.out(
        f'[upload-certs] Storing the certificates in Secret "{SECRET}" in the "kube-system" '
        "Namespace"
    )
    data = {}
    for name in SHARED_FILES:
        file = folder / name
        if not file.exists():
            raise phase_error(
                "upload-certs", f"error uploading certs: open {shown(name)}: no such file or "
                "directory"
            )  # fmt: skip
        nonce = secrets.token_bytes(NONCE)
        sealed = nonce + cipher.encrypt(nonce, file.read_bytes(), None)
        data[data_key(name)] = base64.b64encode(sealed).decode()
    await _store(call, api, data)
    if shows_key:
        await call.out(f"[upload-certs] Using certificate key:\n{key}")


def bytes_of(key: str) -> bytes:
    try:
        found = bytes.fromhex(key)
    except ValueError as error:
        raise Failed(f"invalid certificate key: {error}") from error
    if len(found) != _KEY:
        raise Failed(
            "error execution phase upload-certs: error decoding certificate key: invalid "
            f"key size {len(found)}"
        )
    return found


def data_key(name: str) -> str:
    return name.replace("/", "-")


def shown(name: str) -> str:
    return str(Path("/", KUBERNETES, "pki", name))


def phase_error(phase: str, what: str) -> Failed:
    return Failed(f"error execution phase {phase}: {what}")


async def _store(call: Call, api: ApiClient, data: dict[str, str]) -> None:
    """Store the files, the token with which they end, and the right of joining machines."""
    ends = call.context.shared.clock.now() + _LIFETIME
    token = BootstrapToken(f"{secrets.token_hex(3)}.{secrets.token_hex(8)}", ends)
    body = token_secret(token)
    for usage in ("usage-bootstrap-authentication", "usage-bootstrap-signing"):
        del body["data"][usage]  # it proves nothing
    owner = await api.request("POST", kinds.SECRET.path(_SYSTEM), body=body)
    reference = {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    metadata = {"name": SECRET, "namespace": _SYSTEM, "ownerReferences": [reference]}
    await _replace(api, kinds.SECRET, {"metadata": metadata, "type": "Opaque", "data": data})
    name = {"name": "kubeadm:kubeadm-certs", "namespace": _SYSTEM}
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [SECRET],
        "verbs": ["get"],
    }
    await _replace(api, kinds.ROLE, {"metadata": name, "rules": [rule]})
    group = "rbac.authorization.k8s.io"
    subject = {"apiGroup": group, "kind": "Group", "name": JOINERS}
    role = {"apiGroup": group, "kind": "Role", "name": name["name"]}
    binding = {"metadata": name, "roleRef": role, "subjects": [subject]}
    await _replace(api, kinds.ROLE_BINDING, binding)


async def _replace(api: ApiClient, kind: kinds.Kind, body: dict[str, Any]) -> None:
    path, name = kind.path(_SYSTEM), body["metadata"]["name"]
    try:
        await api.request("DELETE", f"{path}/{name}")
    except ApiFailure as failure:
        if failure.reason != "NotFound":
            raise
    await api.request("POST", path, body=body)

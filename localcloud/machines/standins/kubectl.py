"""Stand-in for kubectl, as far as installers and a look around on a master need it.

It speaks with the identity in the kubeconfig file. For everything else there is a real kubectl,
which reaches the cluster through its public address.
"""

import base64
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from localcloud.kubernetes.client import ApiClient, ApiFailure, User
from localcloud.kubernetes.planes import hash_of_ca
from localcloud.machines.https import get
from localcloud.machines.standins import kubectl_change, kubectl_show
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, take_apart
from localcloud.machines.standins.kubectl_target import Target

_FLAGS = (
    "--all",
    "--client",
    "-A",
    "--all-namespaces",
    "--no-headers",
    "--overwrite",
    "--ignore-not-found",
)
_OPTIONS = (
    "--kubeconfig", "-n", "--namespace", "-o", "--output", "-f", "--filename", "--raw", "--type",
    "-p", "--patch", "--cert", "--key", "--dry-run", "--timeout", "-l", "--selector", "--for",
    "--duration",
)  # fmt: skip

_OK = 200

Verb = Callable[[Target], Awaitable[int]]

_VERBS: dict[str, Verb] = {
    "get": kubectl_show.get,
    "wait": kubectl_show.wait,
    "rollout": kubectl_show.rollout,
    "apply": kubectl_change.apply,
    "create": kubectl_change.create,
    "delete": kubectl_change.delete,
    "label": kubectl_change.label,
    "patch": kubectl_change.patch,
}


async def _kubectl(call: Call) -> int:
    taken = take_apart(call, flags=_FLAGS, options=_OPTIONS)
    verb, *words = taken.words or ["help"]
    if verb == "version":
        version = call.machine.state.packages["kubectl"].partition("-")[0]
        await call.out(f"Client Version: v{version}")
        return 0
    if verb not in _VERBS:
        raise call.unknown(verb)
    target = Target(
        call, taken, words, lambda: _connect(call, taken), lambda path: _fetch(call, taken, path)
    )
    try:
        return await _VERBS[verb](target)
    except ApiFailure as failure:
        raise Failed(f"Error from server ({failure.reason}): {failure.message}") from failure


def _connect(call: Call, taken: Arguments) -> ApiClient:
    """Find the API server that the kubeconfig file names, with the file's identity."""
    config = _read_kubeconfig(call, taken)
    cluster = config["clusters"][0]["cluster"]
    certificate = base64.b64decode(cluster["certificate-authority-data"])
    plane = call.machine.world.planes.find_by_ca_hash(hash_of_ca(certificate))
    if plane is None or not plane.is_running:
        host = cluster["server"].removeprefix("https://")
        raise Failed(
            f"The connection to the server {host} was refused - "
            "did you specify the right host or port?"
        )
    return plane.client(_user_of(config["users"][0]["user"]))


async def _fetch(call: Call, taken: Arguments, path: str) -> str:
    """GET a path outside the resource API, such as /readyz, as the network sees the server."""
    cluster = _read_kubeconfig(call, taken)["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
    certificate = base64.b64decode(cluster["certificate-authority-data"]).decode()
    machine = call.machine
    address = machine.resolve(host)
    if address is None:
        raise Failed(f"Unable to connect to the server: dial tcp: lookup {host}: no such host")
    birth = machine.birth
    try:
        connection = machine.world.fabric.dial(birth.vpc, birth.address, address, int(port))
        context = ssl.create_default_context(cadata=certificate)
        reply = await get(connection, context, host, path)
    except ssl.SSLError as error:
        text = f"Unable to connect to the server: tls: failed to verify certificate: {error}"
        raise Failed(text) from error
    except OSError as error:
        raise Failed(
            f"The connection to the server {host}:{port} was refused - "
            "did you specify the right host or port?"
        ) from error
    if reply.status != _OK:
        raise Failed(f"Error from server: HTTP {reply.status}: {reply.text.strip()}")
    return reply.text


def _read_kubeconfig(call: Call, taken: Arguments) -> dict[str, Any]:
    home = call.machine.sandbox.home(call.user) / ".kube/config"
    name = taken.value("--kubeconfig") or call.environment["KUBECONFIG"]
    file: Path = call.path(name) if name else home
    if not file.is_file():
        if name:
            raise Failed(f"error: stat {name}: no such file or directory")
        raise Failed(
            "The connection to the server localhost:8080 was refused - "
            "did you specify the right host or port?"
        )
    loaded: dict[str, Any] = yaml.safe_load(file.read_text())
    return loaded


def _user_of(credentials: dict[str, str]) -> User:
    data = credentials.get("client-certificate-data")
    if data is None:
        raise Failed("error: You must be logged in to the server (Unauthorized)")
    subject = x509.load_pem_x509_certificate(base64.b64decode(data)).subject
    name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    groups = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return User(str(name), (*groups, "system:authenticated"))


HANDLERS: dict[str, Handler] = {"kubectl": _kubectl}

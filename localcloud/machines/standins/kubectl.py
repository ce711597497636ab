"""Stand-in for kubectl, as far as installers and a user on a master need it.

It uses the identity in the kubeconfig file. For everything else use a real kubectl, which reaches
the cluster through its public address.
"""

import base64
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from localcloud.https import get
from localcloud.kubernetes.client import ApiClient, ApiFailure, User
from localcloud.kubernetes.planes import hash_of_ca
from localcloud.machines.standins import kubectl_change, kubectl_show
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, parse_args
from localcloud.machines.standins.kubectl_target import Target

_OK = 200

_FLAGS = (
    "-A", "--all-namespaces", "--client", "--ignore-not-found", "--no-headers", "--overwrite",
)  # fmt: skip
_OPTIONS = (
    "--kubeconfig", "-n", "--namespace", "-o", "--output", "-f", "--filename", "--raw", "--type",
    "-p", "--patch", "--cert", "--key", "--dry-run", "--timeout", "-l", "--selector", "--for",
    "--duration",
)  # fmt: skip
_EVERY_VERB_TAKES = {"--kubeconfig", "-n", "--namespace"}


@dataclass(frozen=True, slots=True)
class _Verb:
    """The handler of a verb, and the flags and options that it uses."""

    do: Callable[[Target], Awaitable[int]]
    takes: Collection[str]


_VERBS = {
    "get": _Verb(
        kubectl_show.get,
        {
            "-A", "--all-namespaces", "--ignore-not-found", "--no-headers", "-o", "--output",
            "--raw", "-l", "--selector",
        },
    ),
    "wait": _Verb(kubectl_show.wait, {"--for", "--timeout"}),
    "rollout": _Verb(kubectl_show.rollout, {"--timeout"}),
    "apply": _Verb(kubectl_change.apply, {"-f", "--filename"}),
    "create": _Verb(
        kubectl_change.create,
        {"-f", "--filename", "--cert", "--key", "--dry-run", "-o", "--output", "--duration"},
    ),
    "delete": _Verb(kubectl_change.delete, {"-f", "--filename", "--ignore-not-found"}),
    "label": _Verb(kubectl_change.label, {"--overwrite"}),
    "patch": _Verb(kubectl_change.patch, {"--type", "-p", "--patch"}),
}  # fmt: skip


async def _kubectl(call: Call) -> int:
    taken = parse_args(call, flags=_FLAGS, options=_OPTIONS)
    verb, *words = taken.words or ["help"]
    if verb == "version":
        version = call.context.state.packages["kubectl"].partition("-")[0]
        await call.out(f"Client Version: v{version}")
        return 0
    if verb not in _VERBS:
        raise call.unknown(verb)
    for option in taken.options:
        if option not in _EVERY_VERB_TAKES and option not in _VERBS[verb].takes:
            raise call.unknown(f"{verb} {option}")
    target = Target(
        call, taken, words, lambda: _connect(call, taken), lambda path: _fetch(call, taken, path)
    )
    try:
        return await _VERBS[verb].do(target)
    except ApiFailure as failure:
        raise Failed(f"Error from server ({failure.reason}): {failure.message}") from failure


def _connect(call: Call, taken: Arguments) -> ApiClient:
    """Return a client of the kubeconfig file's API server, with the file's identity."""
    config = _read_kubeconfig(call, taken)
    cluster = config["clusters"][0]["cluster"]
    certificate = base64.b64decode(cluster["certificate-authority-data"])
    plane = call.context.find_plane(hash_of_ca(certificate))
    host = cluster["server"].removeprefix("https://")
    if plane is None or not (plane.is_running and _is_open(call, host)):
        raise Failed(
            f"The connection to the server {host} was refused - "
            "did you specify the right host or port?"
        )
    return plane.client(_user_of(call, config["users"][0]["user"]))


def _is_open(call: Call, host: str) -> bool:
    """Whether the port of an API server, or of a load balancer before it, takes connections."""
    name, _, port = host.rpartition(":")
    address, spec = call.context.resolve(name), call.context.spec
    if address is None:
        return False
    return call.context.shared.fabric.answers(spec.vpc, spec.address, address, int(port))


async def _fetch(call: Call, taken: Arguments, path: str) -> str:
    """GET a path outside the resource API, such as /readyz, over the network."""
    cluster = _read_kubeconfig(call, taken)["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
    certificate = base64.b64decode(cluster["certificate-authority-data"]).decode()
    address = call.context.resolve(host)
    if address is None:
        raise Failed(f"Unable to connect to the server: dial tcp: lookup {host}: no such host")
    try:
        context = ssl.create_default_context(cadata=certificate)
        connection = call.context.dial(address, int(port))
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
    home = call.context.home(call.user) / ".kube/config"
    name = taken.value("--kubeconfig") or call.environment["KUBECONFIG"]
    file: Path = call.path(name) if name else home
    if not file.is_file():
        if name:
            raise Failed(f"error: stat {name}: no such file or directory")
        raise Failed(
            "The connection to the server localhost:8080 was refused - "
            "did you specify the right host or port?"
        )
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def _user_of(call: Call, credentials: dict[str, str]) -> User:
    """Return the user of a certificate, in the kubeconfig or in a file that it names."""
    if "client-certificate-data" in credentials:
        certificate = base64.b64decode(credentials["client-certificate-data"])
    elif "client-certificate" in credentials:
        certificate = call.path(credentials["client-certificate"]).read_bytes()
    else:
        raise Failed("error: You must be logged in to the server (Unauthorized)")
    subject = x509.load_pem_x509_certificate(certificate).subject
    name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    groups = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return User(str(name), (*groups, "system:authenticated"))


HANDLERS: dict[str, Handler] = {"kubectl": _kubectl}

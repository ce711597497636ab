"""The known images: their ports, and their answers.

No container runs here. Known images can be started, those of the catalogue answer; a page states in
its first lines that the local cloud emulates the real program.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from localcloud.kubernetes.pods import kube_ui, metrics_server
from localcloud.kubernetes.pods.http import ReadApi, Reply, Request

Pod = Mapping[str, Any]
Answer = Callable[[Pod, Request, ReadApi | None], Awaitable[Reply]]

MISSING_TAG = "does-not-exist"
"""An image with this tag cannot be pulled, for demonstrations."""

_NAMES = """
kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd coredns pause flannel
flannel-cni-plugin headlamp

metrics-server controller kube-webhook-certgen cloud-controller-manager csi-qingcloud
csi-provisioner csi-attacher csi-resizer csi-snapshotter csi-node-driver-registrar
cluster-autoscaler karpenter cluster-proportional-autoscaler addon-resizer
local-path-provisioner traefik cert-manager-controller cert-manager-webhook
cert-manager-cainjector

node-exporter kube-state-metrics prometheus alertmanager grafana loki fluentd fluent-bit

nginx httpd haproxy caddy busybox alpine ubuntu debian curl hello-world agnhost echoserver
http-echo whoami httpbin guestbook gb-frontend gb-redis-follower redis valkey memcached postgres
mysql mariadb mongo rabbitmq nats kafka zookeeper minio registry wordpress python node golang
openjdk eclipse-temurin php ruby sysbench stress
"""

KNOWN = frozenset(_NAMES.split())
"""The names, without registry, folder and tag, of the images that can be pulled.

A real registry has many more; an image with another name is one that it does not have.
"""


class NothingListens(ConnectionRefusedError):
    """No container of this pod listens on this port."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program inside an image."""

    port: int
    answer: Answer
    tls_flags: tuple[str, ...] = field(default=())  # with both, it serves TLS


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths of a container's certificate and key."""

    certificate: str
    key: str


async def _nginx(pod: Pod, request: Request, read: ReadApi | None) -> Reply:
    if request.method not in ("GET", "HEAD"):
        return Reply.html(405, "<h1>405 Not Allowed</h1><hr>nginx", {"allow": "GET, HEAD"})
    if request.path not in ("/", "/index.html"):
        return Reply.html(404, "<h1>404 Not Found</h1><hr>nginx")
    name = escape(pod["metadata"]["name"])
    node = escape(pod.get("spec", {}).get("nodeName", "no node"))
    page = (
        "<!doctype html><html><head><title>nginx on the local cloud</title></head><body>"
        "<h1>nginx is up</h1>"
        "<p>The local cloud stands in for the nginx image here: no container runs, "
        "and this page is all it serves.</p>"
        f"<p>Pod <b>{name}</b> on node <b>{node}</b>.</p>"
        "</body></html>\n"
    )
    return Reply.html(200, page, {"server": "nginx (local cloud)"})


async def _coredns(pod: Pod, request: Request, read: ReadApi | None) -> Reply:
    """Answer as the plugin `ready` of kubeadm's Corefile; names are not resolved here."""
    status, text = (200, "OK") if request.path == "/ready" else (404, "404 page not found\n")
    return Reply(status, {"content-type": "text/plain; charset=utf-8"}, text.encode())


NGINX = Program(80, _nginx)
COREDNS = Program(8181, _coredns)
METRICS_SERVER = Program(metrics_server.PORT, metrics_server.answer)
_PROGRAMS = {"nginx": NGINX, "coredns": COREDNS, "metrics-server": METRICS_SERVER}
KUBE_UI = Program(4466, kube_ui.answer, ("-tls-cert-path", "-tls-key-path"))


def find_program(image: str) -> Program | None:
    """Return the catalogue's program for an image, by its name without registry and tag."""
    name = _name_of(image)
    if "headlamp" in image:
        return KUBE_UI
    return _PROGRAMS.get(name)


def is_missing(image: str) -> bool:
    """Return whether no registry has this image."""
    return _name_of(image) not in KNOWN or image.split("@")[0].endswith(":" + MISSING_TAG)


def _name_of(image: str) -> str:
    return image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def programs_of(pod: Pod) -> dict[int, tuple[Program, Mapping[str, Any]]]:
    """Return the programs of a pod by port, each with its container."""
    found: dict[int, tuple[Program, Mapping[str, Any]]] = {}
    for container in pod["spec"]["containers"]:
        program = find_program(container.get("image", ""))
        if program is not None:
            found.setdefault(program.port, (program, container))
    return found


def tls_files(program: Program, container: Mapping[str, Any]) -> TlsFiles | None:
    """Return the configured certificate and key of a container, or None."""
    words = [*container.get("command", ()), *container.get("args", ())]
    values = [value for flag in program.tls_flags if (value := _flag_value(words, flag))]
    return TlsFiles(*values) if len(values) == 2 else None


def _flag_value(words: list[str], flag: str) -> str | None:
    """Read `-flag=value`, `--flag=value` or the value in the next word, as Go programs do."""
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if "-" + name.lstrip("-") != flag:
            continue
        if equals:
            return value
        return words[position + 1] if position + 1 < len(words) else None
    return None


async def serve(pod: Pod, port: int, request: Request, read: ReadApi | None = None) -> Reply:
    """Answer one request to a port of a pod.

    Args:
        read: how the program in the pod reads the Kubernetes API; without it kube-ui can only
            show its login page.

    Raises:
        NothingListens: no program of the catalogue listens on that port of this pod.
    """
    found = programs_of(pod).get(port)
    if found is None:
        raise NothingListens(f"pod {pod['metadata']['name']}: nothing listens on port {port}")
    return await found[0].answer(pod, request, read)

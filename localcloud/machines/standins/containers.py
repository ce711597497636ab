"""Stand-ins for containerd's clients crictl and ctr, and for `containerd --version`."""

import json
import re
import tomllib
from collections.abc import Sequence

from localcloud.clock import stamp
from localcloud.machines.registries import image_id, why_unpullable
from localcloud.machines.standins import etcd_snapshots, etcdctl
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, parse_args
from localcloud.machines.standins.container_lists import (
    containers,
    id_of,
    list_containers,
    list_images,
    list_sandboxes,
)
from localcloud.parts import Component

_PULLS_IN_ONE_GO = 6  # images that share the profile's time for pulling


def need_cri(call: Call) -> None:
    """Raise `Failed`, with the message of a CRI client, when nothing answers on the socket."""
    machine = call.machine
    if not machine.units.is_active("containerd"):
        raise Failed(
            f"{call.name}: validate CRI v1 runtime API for endpoint "
            '"unix:///run/containerd/containerd.sock": rpc error: code = Unavailable desc = '
            "connection error: dial unix /run/containerd/containerd.sock: connect: "
            "no such file or directory"
        )
    if not machine.runtime.offers_cri:
        raise Failed(
            f"{call.name}: validate CRI v1 runtime API for endpoint "
            '"unix:///run/containerd/containerd.sock": rpc error: code = Unimplemented desc = '
            "unknown service runtime.v1.RuntimeService"
        )


class PullFailed(Exception):
    """An image cannot be pulled; `code` is the one of gRPC."""

    def __init__(self, image: str, code: str, why: str) -> None:
        super().__init__(f'failed to pull and unpack image "{image}": {why}')
        self.code = code


async def pull(call: Call, image: str) -> None:
    """Pull one image; an existing one takes no time.

    Raises:
        PullFailed: its registry does not provide it.
    """
    context = call.context
    if image in context.state.images:
        return
    if failure := why_unpullable(image, context.shared.mirror_faults):
        raise PullFailed(image, *failure)
    if Component.DISK in context.failed:
        part = "/var/lib/containerd/io.containerd.content.v1.content/ingest"
        why = f"failed to copy: failed to send write: write {part}: no space left on device"
        raise PullFailed(image, "Unknown", f"{why}: unknown")
    await context.shared.clock.sleep(context.shared.profile.pull_images / _PULLS_IN_ONE_GO)
    context.state.images.append(image)


def _fatal(call: Call, words: str) -> Failed:
    """Return the failure in the form of crictl's log."""
    now = stamp(call.context.shared.clock.now())
    quoted = words.replace('"', '\\"')
    return Failed(f'time="{now}" level=fatal msg="{quoted}"')


async def _crictl_pull(call: Call, image: str) -> None:
    try:
        await pull(call, image)
    except PullFailed as failure:
        now = call.context.shared.clock.now()
        quoted = str(failure).replace('"', '\\"')
        await call.err(
            f'E{now:%m%d %H:%M:%S.%f}    4711 log.go:32] "PullImage from image service failed" '
            f'err="rpc error: code = {failure.code} desc = {quoted}" image="{image}"'
        )
        raise _fatal(call, f"pulling image: {failure}") from failure
    await call.out(f"Image is up to date for {image_id(image)}")


async def _crictl(call: Call) -> int:
    words = call.arguments[2:] if call.arguments[:1] == ["--timeout"] else call.arguments
    if words[:1] == ["exec"]:
        return await _exec(call, words[1:])
    taken = parse_args(
        call,
        flags=("-q", "--quiet", "-a", "--all", "--resolve-image-path"),
        options=("--runtime-endpoint", "-o", "-r", "--state", "-t", "--timeout", "--name"),
    )
    verb, *words = taken.words or [""]
    if verb == "version" or verb == "--version":
        await call.out("crictl version v1.36.0")
        return 0
    need_cri(call)
    images = call.context.state.images
    match verb, words:
        case "info", []:
            await call.out(json.dumps(call.machine.runtime.info(), indent=2))
        case "pull", [image]:
            await _crictl_pull(call, image)
        case "inspecti", [image]:
            if image not in images:
                raise _fatal(call, f'no such image "{image}" present')
            await call.out(json.dumps({"status": {"repoTags": [image]}}))
        case "images", []:
            await call.out(list_images(images))
        case "ps", []:
            await _list_containers(call, taken)
        case "pods", []:
            pods = call.machine.cluster.running_pods()
            await call.out(list_sandboxes(pods, call.context.shared.clock.now()))
        case _:
            raise call.unknown(" ".join(taken.words))
    return 0


async def _list_containers(call: Call, taken: Arguments) -> None:
    pods = call.machine.cluster.running_pods()
    if name := taken.value("--name"):
        pods = [pod for pod in pods if any(re.search(name, one["name"]) for one in containers(pod))]
    if "-q" in taken or "--quiet" in taken:
        await call.out("\n".join(id_of(one) for pod in pods for one in containers(pod)))
    else:
        await call.out(list_containers(pods, call.context.shared.clock.now()))


async def _exec(call: Call, words: Sequence[str]) -> int:
    """Run a command in a running container; known is etcd's."""
    need_cri(call)
    wanted, *command = words or [""]
    pods = call.machine.cluster.running_pods()
    found = [
        one for pod in pods for one in containers(pod) if wanted and id_of(one).startswith(wanted)
    ]
    if not found:
        raise _fatal(
            call,
            "execing command in container: rpc error: code = NotFound desc = an error occurred "
            f'when try to find container "{wanted}": not found',
        )
    if found[0]["name"] == "etcd" and command[:1] == ["etcdctl"]:
        return await etcdctl.run(call, command[1:])
    if found[0]["name"] == "etcd" and command[:1] == ["etcdutl"]:
        return await etcd_snapshots.run_etcdutl(call, command[1:])
    raise call.unknown(f"exec {' '.join(command)} in {found[0]['name']}")


async def _ctr(call: Call) -> int:
    match call.arguments:
        case ["version"]:
            version = call.context.state.packages.get("containerd.io", "").partition("-")[0]
            await call.out(f"Client:\n  Version:  v{version}\n\nServer:\n  Version:  v{version}")
        case ["-n", "k8s.io", "images", "ls", *_]:
            need_cri(call)
            await call.out("\n".join(call.context.state.images) or "REF")
        case ["-n", "k8s.io", "images", "tag", "--force", image, name]:
            call.need_root()
            images = call.context.state.images
            if image not in images:
                raise Failed(f'ctr: image "{image}": not found')
            if name not in images:
                images.append(name)
            await call.out(name)
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _containerd(call: Call) -> int:
    match call.arguments:
        case ["--version" | "-v"]:
            version = call.context.state.packages.get("containerd.io", "").partition("-")[0]
            await call.out(f"containerd containerd.io v{version}")
        case ["config", "dump"]:
            try:
                await call.out(call.machine.runtime.dump())
            except tomllib.TOMLDecodeError as error:
                raise Failed(f"containerd: failed to load TOML: {error}") from error
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _kubelet(call: Call) -> int:
    match call.arguments:
        case ["--version"]:
            version = call.context.state.packages.get("kubelet", "").partition("-")[0]
            await call.out(f"Kubernetes v{version}")
        case words:
            raise call.unknown(" ".join(words))
    return 0


HANDLERS: dict[str, Handler] = {
    "crictl": _crictl,
    "ctr": _ctr,
    "containerd": _containerd,
    "kubelet": _kubelet,
}

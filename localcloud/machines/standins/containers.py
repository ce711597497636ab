"""Stand-ins for containerd's clients crictl and ctr, and for `containerd --version`."""

import json
import tomllib

from localcloud.machines.repositories import is_pullable
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args
from localcloud.machines.standins.container_lists import list_containers, list_sandboxes

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


async def pull(call: Call, image: str) -> None:
    """Pull one image; an existing one takes no time."""
    context = call.context
    if image in context.state.images:
        return
    if not is_pullable(image):
        host = image.partition("/")[0]
        raise Failed(
            f'{call.name}: failed to pull image "{image}": failed to do request: dial tcp: '
            f"lookup {host}: no such host"
        )
    await context.shared.clock.sleep(context.shared.profile.pull_images / _PULLS_IN_ONE_GO)
    context.state.images.append(image)


async def _crictl(call: Call) -> int:
    taken = parse_args(
        call,
        flags=("-q", "--quiet", "-a", "--all", "--resolve-image-path"),
        options=("--runtime-endpoint", "-o", "-r", "--state", "-t", "--timeout"),
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
            await pull(call, image)
            await call.out(f"Image is up to date for {image}")
        case "inspecti", [image]:
            if image not in images:
                raise Failed(f'no such image "{image}" present')
            await call.out(json.dumps({"status": {"repoTags": [image]}}))
        case "images", []:
            for image in images:
                await call.out(image)
        case "ps", []:
            pods = call.machine.cluster.running_pods()
            await call.out(list_containers(pods, call.context.shared.clock.now()))
        case "pods", []:
            pods = call.machine.cluster.running_pods()
            await call.out(list_sandboxes(pods, call.context.shared.clock.now()))
        case _:
            raise call.unknown(" ".join(taken.words))
    return 0


async def _ctr(call: Call) -> int:
    match call.arguments:
        case ["version"]:
            version = call.context.state.packages.get("containerd.io", "").partition("-")[0]
            await call.out(f"Client:\n  Version:  v{version}\n\nServer:\n  Version:  v{version}")
        case ["-n", "k8s.io", "images", "ls", *_]:
            need_cri(call)
            await call.out("\n".join(call.context.state.images) or "REF")
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

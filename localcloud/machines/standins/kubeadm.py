"""Stand-in for kubeadm: all commands except init and join, which have their own modules."""

import shutil

from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import kubeadm_init, kubeadm_join
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, parse_args
from localcloud.machines.standins.containers import PullFailed, pull
from localcloud.machines.standins.kubeadm_config import (
    DEFAULT_REPOSITORY,
    Document,
    read_cluster,
    read_documents,
)

_PAUSE, _ETCD, _COREDNS = "3.10.2", "3.6.8-0", "v1.14.2"
_RESET_KEEPS = "etc/cni/net.d"


def images_of(version: str, repository: str) -> list[str]:
    """Return the images of a version; upstream keeps CoreDNS in a folder, mirrors are flat."""
    coredns = "coredns/coredns" if repository == DEFAULT_REPOSITORY else "coredns"
    components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    return [
        *(f"{repository}/{name}:{version}" for name in components),
        f"{repository}/{coredns}:{_COREDNS}",
        f"{repository}/pause:{_PAUSE}",
        f"{repository}/etcd:{_ETCD}",
    ]


async def _kubeadm(call: Call) -> int:
    taken = parse_args(
        call,
        flags=("-f", "--force", "--skip-token-print"),
        options=(
            "--config", "--kubernetes-version", "--image-repository", "-o", "--output",
            "--cri-socket", "--ttl", "-v", "--v",
        ),
    )  # fmt: skip
    match taken.words:
        case ["version"]:
            await _version(call, taken)
        case ["config", "images", "list"]:
            await call.out("\n".join(_images(call, taken)))
        case ["config", "images", "pull"]:
            for image in _images(call, taken):
                await pull(call, image)
                await call.out(f"[config/images] Pulled {image}")
        case ["config", "validate"]:
            _documents(call, taken)
            await call.out("ok")
        case ["init"]:
            call.need_root()
            documents = _documents(call, taken)
            await kubeadm_init.run(call, documents, images_of)
            if "--skip-token-print" not in taken:
                await kubeadm_init.show_join_command(call, documents)
        case ["join"]:
            call.need_root()
            await kubeadm_join.run(call, _documents(call, taken))
        case ["reset"]:
            call.need_root()
            await _reset(call)
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _version(call: Call, taken: Arguments) -> None:
    version = "v" + call.context.state.packages["kubeadm"].partition("-")[0]
    short = taken.value("-o", "--output") == "short"
    await call.out(version if short else f'kubeadm version: {{GitVersion:"{version}"}}')


def _documents(call: Call, taken: Arguments) -> dict[str, Document]:
    name = taken.value("--config")
    if not name:
        raise Failed("the local cloud's kubeadm wants --config FILE", 2)
    file = call.path(name)
    if not file.is_file():
        raise Failed(f'unable to read config from "{name}": open {name}: no such file or directory')
    return read_documents(file.read_text(encoding="utf-8"))


def _images(call: Call, taken: Arguments) -> list[str]:
    if "--config" in taken:
        cluster = read_cluster(_documents(call, taken))
        return images_of(cluster.version, cluster.repository)
    installed = "v" + call.context.state.packages["kubeadm"].partition("-")[0]
    version = taken.value("--kubernetes-version", default=installed)
    return images_of(version, taken.value("--image-repository", default=DEFAULT_REPOSITORY))


async def _reset(call: Call) -> None:
    machine, context = call.machine, call.context
    await machine.units.stop("kubelet")
    await machine.cluster.forget()
    folder = context.disk / KUBERNETES
    for name in ("manifests", "pki"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for file in folder.glob("*.conf"):
        file.unlink()
    shutil.rmtree(context.disk / "var/lib/kubelet", ignore_errors=True)
    await call.out(
        f"[reset] Deleting contents of directories: [/{KUBERNETES}/manifests /var/lib/kubelet "
        f"/{KUBERNETES}/pki]\n"
        f"The reset process does not perform cleanup of CNI plugin configuration, network "
        f"filtering rules and kubeconfig files: /{_RESET_KEEPS}"
    )


HANDLERS: dict[str, Handler] = {"kubeadm": _kubeadm}

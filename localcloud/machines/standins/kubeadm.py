"""Stand-in for kubeadm: its commands, each in a module of its own."""

from localcloud.kubernetes.client import MASTERS
from localcloud.kubernetes.planes import Plane
from localcloud.machines.standins import (
    kubeadm_certs,
    kubeadm_init,
    kubeadm_join,
    kubeadm_reset,
    kubeadm_upgrade,
    kubeadm_upgrade_plan,
    kubeadm_upload_certs,
)
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, parse_args
from localcloud.machines.standins.containers import PullFailed, pull
from localcloud.machines.standins.kubeadm_config import (
    Document,
    read_cluster,
    read_documents,
    read_init,
)
from localcloud.machines.standins.kubeadm_versions import (
    DEFAULT_REPOSITORY,
    images_of,
    installed,
)

_FLAGS = (
    "-f", "--force", "-y", "--yes", "--skip-token-print", "--skip-certificate-key-print",
    "--upload-certs", "--control-plane",
)  # fmt: skip
_OPTIONS = (
    "--config", "--kubernetes-version", "--image-repository", "-o", "--output", "--cri-socket",
    "--certificate-key", "--node-name", "--certificate-renewal", "--etcd-upgrade", "-v", "--v",
)  # fmt: skip
_NOT_WITH_CONFIG = ("--control-plane", "--certificate-key", "--kubernetes-version")
_TRACE = "To see the stack trace of this error execute with --v=5 or higher"


async def _kubeadm(call: Call) -> int:
    taken = parse_args(call, flags=_FLAGS, options=_OPTIONS)
    try:
        if "--config" in taken:
            _check_mixed(taken)
        await _run(call, taken)
    except PullFailed as failure:
        raise Failed(f"failed to pull image: {failure}") from failure
    except Failed as failure:
        if failure.code != 1:
            raise  # words of the local cloud
        raise Failed(f"error: {failure}\n{_TRACE}") from failure
    return 0


def _check_mixed(taken: Arguments) -> None:
    mixed = sorted(name.strip("-") for name in _NOT_WITH_CONFIG if name in taken)
    if mixed:
        raise Failed(f"can not mix '--config' with arguments [{' '.join(mixed)}]")


async def _run(call: Call, taken: Arguments) -> None:
    if taken.words[:1] in (["init"], ["join"], ["reset"], ["upgrade"], ["certs"]):
        call.need_root()
    match taken.words:
        case ["version"]:
            await _show_version(call, taken)
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
            await _init(call, taken)
        case ["init", "phase", "upload-certs"]:
            await _upload_certs(call, taken)
        case ["init", "phase", "mark-control-plane"] if "--node-name" in taken:
            api = _plane_of(call, "mark-control-plane").client(MASTERS)
            name = taken.value("--node-name")
            await kubeadm_init.mark_control_plane(call, api, name, None)
        case ["join"]:
            await kubeadm_join.run(call, _documents(call, taken))
        case ["reset"]:
            await kubeadm_reset.run(call)
        case ["upgrade", "plan", *words] if len(words) < 2:
            await kubeadm_upgrade_plan.plan(call, words)
        case ["upgrade", "apply", *words] if len(words) < 2:
            await kubeadm_upgrade.apply(call, taken, words)
        case ["upgrade", "node"]:
            await kubeadm_upgrade.node(call, taken)
        case ["certs", *words]:
            await _certs(call, taken, words)
        case words:
            raise call.unknown(" ".join(words))


async def _init(call: Call, taken: Arguments) -> None:
    shows_token = "--skip-token-print" not in taken
    await kubeadm_init.run(call, _documents(call, taken), shows_token=shows_token)
    if "--upload-certs" in taken:
        await _upload_certs(call, taken)


async def _upload_certs(call: Call, taken: Arguments) -> None:
    if "--upload-certs" not in taken:
        await call.out("[upload-certs] Skipping phase. Please see --upload-certs")
        return
    plane = _plane_of(call, "upload-certs")
    key = taken.value("--certificate-key")
    if "--config" in taken:
        documents = _documents(call, taken)
        key = read_init(documents, "", "").certificate_key
    await kubeadm_upload_certs.upload(
        call,
        plane.client(MASTERS),
        key,
        shows_key="--skip-certificate-key-print" not in taken,
    )


def _plane_of(call: Call, phase: str) -> Plane:
    plane = call.machine.cluster.plane
    if plane is None or not plane.is_running:
        raise Failed(
            f"error execution phase {phase}: could not bootstrap the admin user: the API server "
            "does not answer"
        )
    return plane


async def _certs(call: Call, taken: Arguments, words: list[str]) -> None:
    match words:
        case ["certificate-key"]:
            await call.out(kubeadm_upload_certs.new_certificate_key())
        case ["check-expiration"]:
            if taken.value("-o", "--output") != "json":
                await kubeadm_upgrade_plan.look(call, "check-expiration")
                await call.out("")
            await kubeadm_certs.show(call, taken)
        case ["renew", name]:
            found = await kubeadm_upgrade_plan.look(call, "renew")
            await call.out("")
            await kubeadm_certs.renew(call, name, found.cluster)
        case _:
            raise call.unknown(f"certs {' '.join(words)}")


async def _show_version(call: Call, taken: Arguments) -> None:
    version = installed(call)
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
    version = taken.value("--kubernetes-version", default=installed(call))
    return images_of(version, taken.value("--image-repository", default=DEFAULT_REPOSITORY))


HANDLERS: dict[str, Handler] = {"kubeadm": _kubeadm}

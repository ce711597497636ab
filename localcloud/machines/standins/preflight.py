"""kubeadm's preflight checks, with its messages."""

from pathlib import Path

from localcloud.machines.cluster import API_PORT, KUBERNETES
from localcloud.machines.disk import swap_is_on
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.systems import CGROUP2
from localcloud.parts import Component

_LEAST_CPUS = 2
_LEAST_MEMORY = 1700  # MB
_OLDEST_KERNEL = (4, 19)

COMMON_FILES = ("kubelet.conf",)
INIT_FILES = (
    "manifests/kube-apiserver.yaml", "manifests/kube-controller-manager.yaml",
    "manifests/kube-scheduler.yaml", "manifests/etcd.yaml",
)  # fmt: skip
JOIN_FILES = ("kubelet.conf", "bootstrap-kubelet.conf", "pki/ca.crt")


async def check(call: Call, *, master: bool) -> None:
    """Run all checks, print warnings, and report all errors at once.

    Raises:
        Failed: with every fatal error, as kubeadm lists them.
    """
    machine, context = call.machine, call.context
    await call.out("[preflight] Running pre-flight checks")
    if swap_is_on(context.disk):
        await call.err(
            "\t[WARNING Swap]: swap is supported for cgroup v2 only. The kubelet must be properly "
            "configured to use swap. Please refer to https://kubernetes.io/docs/concepts/"
            "architecture/nodes/#swap-memory, or disable swap on the node"
        )
    name = context.read_hostname()
    if context.resolve(name) is None:
        await call.err(f'\t[WARNING Hostname]: hostname "{name}" could not be reached')
    errors = [*_system(call), *_files(call, INIT_FILES if master else JOIN_FILES)]
    if master:
        errors += _size(call)
        if machine.cluster.plane is not None and machine.cluster.plane.is_running:
            errors.append(f"Port-{API_PORT}]: Port {API_PORT} is in use")
    if errors:
        lines = "".join(f"\t[ERROR {error}\n" for error in errors)
        raise Failed(
            f"error execution phase preflight: [preflight] Some fatal errors occurred:\n{lines}"
            "[preflight] If you know what you are doing, you can make a check non-fatal with "
            "`--ignore-preflight-errors=...`"
        )


def _system(call: Call) -> list[str]:
    machine, context = call.machine, call.context
    errors = []
    kernel = tuple(int(part) for part in context.system.kernel.split(".")[:2])
    if kernel < _OLDEST_KERNEL:
        errors.append(f"SystemVerification]: unsupported kernel release: {context.system.kernel}")
    if context.system.cgroup != CGROUP2:
        errors.append("SystemVerification]: cgroups v1 support is in maintenance mode")
    if not machine.units.is_active("containerd") or not machine.runtime.offers_cri:
        errors.append(
            "CRI]: could not connect to the container runtime: failed to create new CRI runtime "
            "service: validate service connection: validate CRI v1 runtime API for endpoint "
            '"unix:///run/containerd/containerd.sock"'
        )
    forward = call.path("/proc/sys/net/ipv4/ip_forward")
    if forward.read_text(encoding="utf-8").strip() != "1":
        errors.append(
            "FileContent--proc-sys-net-ipv4-ip_forward]: "
            "/proc/sys/net/ipv4/ip_forward contents are not set to 1"
        )
    return errors


def _files(call: Call, names: tuple[str, ...]) -> list[str]:
    folder = call.context.disk / KUBERNETES
    return [
        f"FileAvailable{_dashed(name)}]: /{KUBERNETES}/{name} already exists"
        for name in names
        if (folder / name).exists()
    ]


def _dashed(name: str) -> str:
    return "-" + str(Path("/", KUBERNETES, name)).replace("/", "-")


def _size(call: Call) -> list[str]:
    spec, errors = call.context.spec, []
    if spec.vcpus < _LEAST_CPUS:
        errors.append(
            f"NumCPU]: the number of available CPUs {spec.vcpus} "
            f"is less than the required {_LEAST_CPUS}"
        )
    if spec.memory_mib < _LEAST_MEMORY:
        errors.append(
            f"Mem]: the system RAM ({spec.memory_mib} MB) "
            f"is less than the minimum {_LEAST_MEMORY} MB"
        )
    return errors


def check_kubelet_can_run(call: Call) -> None:
    """Raise `Failed`, with kubeadm's message, when swap or cgroup drivers stop the kubelet."""
    machine, context = call.machine, call.context
    why = ""
    if swap_is_on(context.disk):
        why = "running with swap on is not supported, please disable swap"
    elif not machine.runtime.uses_systemd_cgroups():
        why = "the kubelet's cgroup driver is systemd, containerd's is cgroupfs"
    elif Component.KUBELET in context.failed:
        why = "a fault of the local cloud keeps it from coming up"
    if why:
        raise Failed(
            "[kubelet-check] The kubelet is not healthy after 4m0s: " + why + "\n"
            "error execution phase kubelet-start: The HTTP call equal to 'curl -sSL "
            "http://127.0.0.1:10248/healthz' failed: connection refused"
        )

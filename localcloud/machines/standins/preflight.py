"""kubeadm's preflight checks, with its messages and in its order."""

from pathlib import Path

from localcloud.machines.cluster import API_PORT, KUBERNETES
from localcloud.machines.disk import swap_is_on
from localcloud.machines.standins.call import Call, Failed
from localcloud.machines.standins.containers import PullFailed, pull
from localcloud.machines.standins.kubeadm_versions import installed, minor_of, parse
from localcloud.machines.systems import CGROUP2

_LEAST_CPUS = 2
_LEAST_MEMORY = 1700  # MB
_OLDEST_KERNEL = (4, 19)
_KNOWN_KERNELS = ((5, 4), (5, 10), (5, 15))  # and all from 6
_KUBELET_SKEW = 3  # minor versions that a kubelet may be older than its API server

INIT_FILES = (
    "manifests/kube-apiserver.yaml", "manifests/kube-controller-manager.yaml",
    "manifests/kube-scheduler.yaml", "manifests/etcd.yaml",
)  # fmt: skip
JOIN_FILES = ("kubelet.conf", "bootstrap-kubelet.conf", "pki/ca.crt")
KUBELET_PORTS = (10250,)
MASTER_PORTS = (API_PORT, 10259, 10257, *KUBELET_PORTS, 2379, 2380)


class ErrorList(list[str]):
    """Errors of the checks, each `CHECK]: what`."""

    async def report(self, call: Call, phase: str = "preflight") -> None:
        """Print all of them in the form of kubeadm, and raise `Failed`, unless there are none."""
        if not self:
            return
        lines = "".join(f"\t[ERROR {error}\n" for error in self)
        await call.err(
            f"[preflight] Some fatal errors occurred:\n{lines}"
            "[preflight] If you know what you are doing, you can make a check non-fatal with "
            "`--ignore-preflight-errors=...`"
        )
        raise Failed(f"error execution phase {phase}: preflight checks failed")


async def check_init(call: Call, node: str, version: str) -> None:
    """Run the checks of init, print warnings, and report all errors at once.

    Raises:
        Failed: with every fatal error, as kubeadm lists them.
    """
    await call.out("[preflight] Running pre-flight checks")
    await _warn(call, node)
    errors = ErrorList()
    errors += _size(call)
    if parse(version) > parse(installed(call)):
        await call.err(
            "\t[WARNING KubernetesVersion]: Kubernetes version is greater than kubeadm version. "
            "Please consider to upgrade kubeadm. Kubernetes version: "
            f"{version[1:]}. Kubeadm version: {'.'.join(installed(call)[1:].split('.')[:2])}.x"
        )
    errors += _ports(call, MASTER_PORTS)
    errors += _files(call, INIT_FILES)
    errors += _system(call)
    errors += _kubelet(call, version)
    errors += _etcd_data(call)
    await errors.report(call)


async def check_join(call: Call, node: str, *, is_master: bool = False) -> None:
    """Run the checks that join makes before it asks the cluster. Raises as `check_init`."""
    await call.out("[preflight] Running pre-flight checks")
    await _warn(call, node)
    errors = ErrorList()
    errors += _files(call, JOIN_FILES)
    errors += _ports(call, () if is_master else KUBELET_PORTS)
    errors += _system(call)
    await errors.report(call)


async def check_master(call: Call, node: str, version: str) -> None:
    """Run the checks of a further master, after the cluster has answered."""
    await call.out("[preflight] Running pre-flight checks before initializing the new control "
                   "plane instance")  # fmt: skip
    errors = ErrorList()
    errors += _size(call)
    errors += _ports(call, MASTER_PORTS)
    errors += _files(call, INIT_FILES)
    errors += _kubelet(call, version)
    errors += _etcd_data(call)
    await errors.report(call)


async def pull_images(call: Call, images: list[str], phase: str = "preflight") -> None:
    """Pull the images of a control plane. Raises `Failed` with each that cannot be pulled."""
    await call.out(
        f"[{phase}] Pulling images required for setting up a Kubernetes cluster\n"
        f"[{phase}] This might take a minute or two, depending on the speed of your internet "
        "connection\n"
        f"[{phase}] You can also perform this action beforehand using 'kubeadm config images pull'"
    )
    errors = ErrorList()
    for image in images:
        try:
            await pull(call, image)
        except PullFailed as failure:
            errors.append(
                f"ImagePull]: failed to pull image {image}: rpc error: code = {failure.code} "
                f"desc = {failure}"
            )
    await errors.report(call)


async def _warn(call: Call, node: str) -> None:
    context = call.context
    warnings = []
    if proxy := call.environment.get("HTTPS_PROXY"):
        warnings.append(
            f'HTTPProxy]: Connection to "https://{context.spec.address}" uses proxy "{proxy}". If '
            "that is not intended, adjust your proxy settings"
        )
    if not call.machine.units.is_enabled("kubelet"):
        warnings.append(
            "Service-Kubelet]: kubelet service is not enabled, please run "
            "'systemctl enable kubelet.service'"
        )
    if swap_is_on(context.disk):
        warnings.append(
            "Swap]: swap is supported for cgroup v2 only. The kubelet must be properly configured "
            "to use swap. Please refer to https://kubernetes.io/docs/concepts/architecture/nodes/"
            "#swap-memory, or disable swap on the node"
        )
    if context.resolve(node) is None:
        warnings.append(f'Hostname]: hostname "{node}" could not be reached')
        warnings.append(f'Hostname]: hostname "{node}": lookup {node}: no such host')
    kernel = _kernel(call)
    if kernel < _OLDEST_KERNEL or (kernel < (6, 0) and kernel not in _KNOWN_KERNELS):
        warnings.append(
            f"SystemVerification]: kernel release {context.system.kernel} is unsupported. "
            "Recommended LTS version from the 5.x series are [5.4 5.10 5.15]. Any 6.x version is "
            "also supported"
        )
    for warning in warnings:
        await call.err(f"\t[WARNING {warning}")


def _kernel(call: Call) -> tuple[int, ...]:
    return tuple(int(part) for part in call.context.system.kernel.split(".")[:2])


def _system(call: Call) -> list[str]:
    machine, errors = call.machine, []
    if not machine.units.is_active("containerd") or not machine.runtime.offers_cri:
        errors += [
            "CRI]: could not connect to the container runtime: failed to create new CRI runtime "
            "service: validate service connection: validate CRI v1 runtime API for endpoint "
            '"unix:///run/containerd/containerd.sock"',
            "ContainerRuntimeVersion]: could not connect to the container runtime: failed to "
            "create new CRI runtime service: validate service connection: validate CRI v1 runtime "
            'API for endpoint "unix:///run/containerd/containerd.sock"',
        ]
    forward = call.path("/proc/sys/net/ipv4/ip_forward")
    if forward.read_text(encoding="utf-8").strip() != "1":
        errors.append(
            "FileContent--proc-sys-net-ipv4-ip_forward]: "
            "/proc/sys/net/ipv4/ip_forward contents are not set to 1"
        )
    if call.context.system.cgroup != CGROUP2:
        errors.append(
            "SystemVerification]: cgroups v1 support is deprecated and will be removed in a future "
            "release. Please migrate to cgroups v2. To explicitly enable cgroups v1 support for "
            "kubelet v1.35 or newer, you must set the kubelet configuration option 'FailCgroupV1' "
            "to 'false'"
        )
    return errors


def _kubelet(call: Call, version: str) -> list[str]:
    """Check the installed kubelet against the version of the control plane."""
    kubelet = installed(call, "kubelet")
    if parse(kubelet) > parse(version):
        return [
            "KubeletVersion]: the kubelet version is higher than the control plane version. This "
            "is not a supported version skew and may lead to a malfunctional cluster. Kubelet "
            f'version: "{kubelet[1:]}" Control plane version: "{version[1:]}"'
        ]
    if minor_of(kubelet) < minor_of(version) - _KUBELET_SKEW:
        return [
            f'KubeletVersion]: Kubelet version "{kubelet[1:]}" is lower than kubeadm can support. '
            "Please upgrade kubelet"
        ]
    return []


def _files(call: Call, names: tuple[str, ...]) -> list[str]:
    folder = call.context.disk / KUBERNETES
    return [
        f"FileAvailable{_dashed(name)}]: /{KUBERNETES}/{name} already exists"
        for name in names
        if (folder / name).exists()
    ]


def _dashed(name: str) -> str:
    return "-" + str(Path("/", KUBERNETES, name)).replace("/", "-")


def _etcd_data(call: Call) -> list[str]:
    folder = call.path("/var/lib/etcd")
    if folder.is_dir() and any(folder.iterdir()):
        return ["DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty"]
    return []


def _ports(call: Call, ports: tuple[int, ...]) -> list[str]:
    """Report the ports that a control plane, a kubelet or another program listens on."""
    spec, fabric = call.context.spec, call.context.shared.fabric
    serves = fabric.answers(spec.vpc, spec.address, spec.address, API_PORT)
    return [
        f"Port-{port}]: Port {port} is in use"
        for port in ports
        if (serves and port not in KUBELET_PORTS)
        or fabric.answers(spec.vpc, spec.address, spec.address, port)
    ]


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

"""`kubeadm reset`: what it stops, deletes and leaves."""

import shutil

from localcloud.kubernetes.etcd import EtcdRefused
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins.call import Call

_EMPTIED = (f"{KUBERNETES}/manifests", "var/lib/kubelet", f"{KUBERNETES}/pki")
_FILES = (
    "admin.conf", "super-admin.conf", "kubelet.conf", "bootstrap-kubelet.conf",
    "controller-manager.conf", "scheduler.conf",
)  # fmt: skip


async def run(call: Call) -> None:
    """Do what `kubeadm reset -f` does.

    Folders stay, empty. The Node object, the pod network's interfaces and files, and packet filter
    rules are left, and kubelet stays enabled.
    """
    machine, context = call.machine, call.context
    await _say_where_it_reads(call)
    await call.out("[preflight] Running pre-flight checks")
    await _remove_member(call)
    await call.out(
        "[reset] Deleted contents of the etcd data directory: /var/lib/etcd\n"
        "[reset] Stopping the kubelet service"
    )
    await machine.units.stop("kubelet")
    await machine.cluster.forget()
    await call.out('[reset] Unmounting mounted directories in "/var/lib/kubelet"')
    for name in (*_EMPTIED, "var/lib/etcd"):
        folder = context.disk / name
        if folder.is_dir():
            shutil.rmtree(folder)
            folder.mkdir(parents=True)
    for name in _FILES:
        (context.disk / KUBERNETES / name).unlink(missing_ok=True)
    emptied = " ".join(f"/{name}" for name in _EMPTIED)
    deleted = " ".join(f"/{KUBERNETES}/{name}" for name in _FILES)
    await call.out(
        f"[reset] Deleting contents of directories: [{emptied}]\n"
        f"[reset] Deleting files: [{deleted}]\n"
        "\nThe reset process does not perform cleanup of CNI plugin configuration,\n"
        "network filtering rules and kubeconfig files.\n"
        "\nFor information on how to perform this cleanup manually, please see:\n"
        "    https://k8s.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/\n"
    )


async def _remove_member(call: Call) -> None:
    """Take this master's etcd member out of the list; a failure is a warning only."""
    part = call.machine.cluster.control_plane
    plane, member_id = part.plane, part.member_id
    if plane is None or member_id is None or len(plane.etcd.members) < 2:
        return
    try:
        plane.etcd.remove(member_id)
    except EtcdRefused as error:
        now = call.context.shared.clock.now()
        await call.err(
            f"W{now:%m%d %H:%M:%S.%f}    4711 removeetcdmember.go:85] [reset] Failed to "
            f"remove etcd member: {error}, please manually remove this etcd member using etcdctl"
        )
        return
    await plane.follow_etcd()


async def _say_where_it_reads(call: Call) -> None:
    now = call.context.shared.clock.now()
    if call.context.state.control_plane is None:
        await call.err(
            f"W{now:%m%d %H:%M:%S.%f}    4711 removeetcdmember.go:106] [reset] No kubeadm config, "
            "using etcd pod spec to get data directory"
        )
        return
    await call.out(
        '[reset] Reading configuration from the "kubeadm-config" ConfigMap in namespace '
        '"kube-system"...\n'
        "[reset] Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to "
        "re-upload it."
    )

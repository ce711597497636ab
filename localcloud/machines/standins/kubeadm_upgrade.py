"""`kubeadm upgrade apply` on the first master, and `upgrade node` on every other machine."""

import yaml

from localcloud.kubernetes.client import ApiClient, ApiFailure
from localcloud.kubernetes.client.writes import MERGE, STRATEGIC
from localcloud.kubernetes.objects import kinds
from localcloud.machines.cluster import KUBERNETES
from localcloud.machines.standins import (
    addons,
    kubeadm_certs,
    kubeadm_kubelet,
    kubeadm_manifests,
    preflight,
)
from localcloud.machines.standins.call import Arguments, Call, Failed
from localcloud.machines.standins.kubeadm_config import ClusterSettings, read_cluster
from localcloud.machines.standins.kubeadm_upgrade_plan import (
    SYSTEM,
    Found,
    check_health,
    check_version,
    look,
)
from localcloud.machines.standins.kubeadm_versions import (
    image_of,
    images_of,
    installed,
    minor_of,
)

_KUBECONFIGS = "[upgrade/kubeconfig] The kubeconfig files for this node were successfully upgraded!"


_BACKUPS = f"{KUBERNETES}/tmp"  # noqa: S108 - of kubeadm alone


async def apply(call: Call, taken: Arguments, words: list[str]) -> None:
    """Do what `kubeadm upgrade apply VERSION --yes` does, on a master.

    Raises:
        Failed: with kubeadm's message; manifests that were replaced before stay replaced.
    """
    found = await look(call, "upgrade")
    await call.out(
        "[upgrade/preflight] Running preflight checks\n[upgrade] Running cluster health checks"
    )
    await check_health(call, found)
    wanted = words[0] if words else installed(call)
    force = "-f" in taken or "--force" in taken
    await check_version(call, found, wanted, force=force)
    if not (force or "-y" in taken or "--yes" in taken):
        await call.out("[upgrade] Are you sure you want to proceed? [y/N]: ")
        if (await call.read_stdin()).strip().lower() not in ("y", "yes"):
            raise Failed(
                "error execution phase preflight: won't proceed; the user didn't answer "
                "(Y|y) in order to continue"
            )
    cluster = _at_version(found.cluster, wanted)
    await preflight.pull_images(call, images_of(wanted, cluster.repository), "upgrade/preflight")
    await _replace_static_pods(call, cluster, taken)
    await _store_configuration(call, found.api, cluster)
    await _write_kubelet_config(call, cluster)
    await call.out(
        "[upgrade/bootstrap-token] Configuring bootstrap token and cluster-info RBAC rules\n"
        f"{addons.TOKEN_RULES}"
    )
    await _upgrade_addons(call, found, cluster)
    await call.out(
        "\n[upgrade] SUCCESS! A control plane node of your cluster was upgraded to "
        f'"{wanted}".\n'
        "\n[upgrade] Now please proceed with upgrading the rest of the nodes by following the "
        "right order.\n"
    )


async def node(call: Call, taken: Arguments) -> None:
    """Do what `kubeadm upgrade node` does: to the version that the cluster has been given."""
    found = await look(call, "upgrade")
    await call.out("[upgrade/preflight] Running pre-flight checks")
    cluster, kubeadm = found.cluster, installed(call)
    if minor_of(kubeadm) < minor_of(cluster.version):
        raise Failed(
            f"error execution phase preflight: the cluster has version {cluster.version}, "
            f"which is higher than the kubeadm version {kubeadm}"
        )
    if kubeadm_manifests.manifest_file(call, "kube-apiserver").exists():
        images = images_of(cluster.version, cluster.repository)
        await preflight.pull_images(call, images, "upgrade/preflight")
        await _replace_static_pods(call, cluster, taken)
        await call.out(_KUBECONFIGS)
    else:
        await call.out(
            "[upgrade/preflight] Skipping prepull. Not a control plane node.\n"
            "[upgrade/control-plane] Skipping phase. Not a control plane node.\n"
            "[upgrade/kubeconfig] Skipping phase. Not a control plane node."
        )
    await _write_kubelet_config(call, cluster)
    if kubeadm_manifests.manifest_file(call, "kube-apiserver").exists():
        await _upgrade_addons(call, found, cluster)
    else:
        await call.out(
            "[upgrade/addon] Skipping the addon/coredns phase. Not a control plane node.\n"
            "[upgrade/addon] Skipping the addon/kube-proxy phase. Not a control plane node."
        )


def _at_version(cluster: ClusterSettings, version: str) -> ClusterSettings:
    """Return the settings of a cluster with another version."""
    document = {**cluster.document, "kubernetesVersion": version}
    return read_cluster({"ClusterConfiguration": document, "KubeletConfiguration": cluster.kubelet})


async def _replace_static_pods(call: Call, cluster: ClusterSettings, taken: Arguments) -> None:
    """Replace the manifests one by one, each with fresh certificates, and let the kubelet follow.

    Raises:
        Failed: the kubelet does not run, so that no component is started anew.
    """
    now = call.context.shared.clock.now()
    backup = call.context.disk / _BACKUPS / f"kubeadm-backup-manifests-{now:%Y-%m-%d-%H-%M-%S}"
    backup.mkdir(parents=True, exist_ok=True)
    shown = f"/{_BACKUPS}/{backup.name}"
    await call.out(
        "[upgrade/control-plane] Upgrading your static Pod-hosted control plane to version "
        f'"{cluster.version}" (timeout: 5m0s)...\n'
        f'[upgrade/staticpods] Writing new Static Pod manifests to "/{_BACKUPS}/'
        f'kubeadm-upgraded-manifests{now:%f}"'
    )
    renews = taken.value("--certificate-renewal", default="true") != "false"
    for name, text in kubeadm_manifests.render_all(call, cluster).items():
        await call.out(f'[upgrade/staticpods] Preparing for "{name}" upgrade')
        file = kubeadm_manifests.manifest_file(call, name)
        if file.read_text(encoding="utf-8") == text:
            await call.out(
                f"[upgrade/staticpods] Current and new manifests of {name} are equal, skipping "
                "upgrade"
            )
            continue
        for leaf in kubeadm_certs.LEAVES if renews else ():
            if leaf.component == name and kubeadm_certs.renew_leaf(call, leaf, cluster):
                await call.out(f"[upgrade/staticpods] Renewing {leaf.name} certificate")
        (backup / file.name).write_bytes(file.read_bytes())
        file.write_text(text, encoding="utf-8")
        await call.out(
            f'[upgrade/staticpods] Moving new manifest to "/{KUBERNETES}/manifests/{file.name}" '
            f'and backing up old manifest to "{shown}/{file.name}"\n'
            "[upgrade/staticpods] Waiting for the kubelet to restart the component\n"
            "[upgrade/staticpods] This can take up to 5m0s"
        )
        if not call.machine.cluster.has_kubelet:
            file.write_bytes((backup / file.name).read_bytes())
            raise Failed(
                "error execution phase control-plane: couldn't complete the static pod "
                "upgrade: couldn't upgrade control plane. kubeadm has tried to recover everything "
                "into the earlier state. Errors faced: static Pod hash for component "
                f"{name} on Node did not change after 5m0s"
            )
        await call.machine.cluster.follow_manifests()
        await call.out(
            f"[apiclient] Found 1 Pods for label selector component={name}\n"
            f'[upgrade/staticpods] Component "{name}" upgraded successfully!'
        )
    await call.out(
        "[upgrade/control-plane] The control plane instance for this node was successfully "
        "upgraded!"
    )


async def _store_configuration(call: Call, api: ApiClient, cluster: ClusterSettings) -> None:
    path = kinds.CONFIG_MAP.path(SYSTEM)
    stored = addons.config_map(
        "kubeadm-config",
        {"ClusterConfiguration": yaml.safe_dump(dict(cluster.document), sort_keys=False)},
    )
    await api.request(
        "PATCH", f"{path}/kubeadm-config", body={"data": stored["data"]}, content_type=MERGE
    )
    await call.out(
        '[upload-config] Storing the configuration used in ConfigMap "kubeadm-config" in the '
        '"kube-system" Namespace\n'
        '[kubelet] Creating a ConfigMap "kubelet-config" in namespace kube-system with the '
        f"configuration for the kubelets in the cluster\n{_KUBECONFIGS}"
    )


async def _write_kubelet_config(call: Call, cluster: ClusterSettings) -> None:
    now = call.context.shared.clock.now()
    await call.out(
        f"[upgrade] Backing up kubelet config file to /{_BACKUPS}/"
        f"kubeadm-kubelet-config-{now:%Y-%m-%d-%H-%M-%S}/config.yaml"
    )
    await kubeadm_kubelet.write_config(call, cluster.kubelet)
    await call.out(
        "[upgrade/kubelet-config] The kubelet configuration for this node was successfully "
        "upgraded!"
    )


async def _upgrade_addons(call: Call, found: Found, cluster: ClusterSettings) -> None:
    """Give kube-proxy and CoreDNS their images, once every API server has the new version."""
    if set(await _api_server_versions(found.api)) - {cluster.version}:
        await call.out(
            "[upgrade/addon] Skipping upgrade of addons because control plane instances "
            "have not been upgraded"
        )
        return
    for kind, name, component in (
        (kinds.DAEMON_SET, "kube-proxy", "kube-proxy"),
        (kinds.DEPLOYMENT, "coredns", "coredns"),
    ):
        image = image_of(component, cluster.version, cluster.repository)
        # kubeadm writes its own manifest anew: a node selector of somebody else's is gone.
        selector = {"kubernetes.io/os": "linux", "$patch": "replace"}
        spec = {"containers": [{"name": name, "image": image}], "nodeSelector": selector}
        body = {"spec": {"template": {"spec": spec}}}
        path = kind.path(SYSTEM, name)
        try:
            await found.api.request("PATCH", path, body=body, content_type=STRATEGIC)
        except ApiFailure as failure:
            if failure.reason != "NotFound":
                raise
    await call.out(addons.APPLIED)


async def _api_server_versions(api: ApiClient) -> list[str]:
    """Return the version of each API server, by the image of its mirror pod."""
    query = {"labelSelector": "component=kube-apiserver"}
    pods = (await api.request("GET", kinds.POD.path(SYSTEM), query=query))["items"]
    images: list[str] = [pod["spec"]["containers"][0]["image"] for pod in pods]
    return [image.rpartition(":")[2] for image in images]

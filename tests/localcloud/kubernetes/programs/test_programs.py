"""QingCloud's controllers in pods: their calls to a served cloud, and what Kubernetes shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.clock import WallClock
from localcloud.kubernetes.programs import Broken
from localcloud.kubernetes.programs.cloud_api import CloudApi
from tests.localcloud.iaas.cloud_under_test import KEY_ID, SECRET, CloudUnderTest, serve_cloud
from tests.localcloud.iaas.network_under_test import make_vpc, run_machines
from tests.localcloud.kubernetes.sample_cluster import (
    Obj,
    SampleCluster,
    deployment,
    pod_template,
    run,
    running_cluster,
    service,
    until,
)

SERVICES = "/api/v1/namespaces/default/services"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
NOTE = "service.beta.kubernetes.io/qingcloud-load-balancer-"


@pytest.fixture
def cloud() -> Iterator[CloudUnderTest]:
    with serve_cloud() as served:
        yield served


async def grant(cluster: SampleCluster) -> None:
    """Let the default account of kube-system do everything: the rights are the product's matter."""
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
    await cluster.create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": "programs"},
            "roleRef": {**reference, "name": "cluster-admin"},
            "subjects": [subject],
        },
    )


def key_file(cloud: CloudUnderTest, secret: str = SECRET) -> str:
    return json.dumps(
        {
            "qy_access_key_id": KEY_ID,
            "qy_secret_access_key": secret,
            "zone": "local1",
            "host": "127.0.0.1",
            "port": cloud.port,
            "protocol": "http",
            "uri": "/iaas",
        }
    )


async def write_files(cluster: SampleCluster, **files: str) -> None:
    for name, text in files.items():
        await cluster.create(
            "/api/v1/namespaces/kube-system/secrets",
            {"metadata": {"name": name}, "stringData": {"config.yaml": text}},
        )


def mounting(**paths: str) -> dict[str, Any]:
    return {
        "volumes": [{"name": name, "secret": {"secretName": name}} for name in paths],
        "mounts": [{"name": name, "mountPath": path} for name, path in paths.items()],
    }


async def run_controller(cluster: SampleCluster, cloud: CloudUnderTest, vxnet: str) -> None:
    settings = {"zone": "local1", "defaultVxNetForLB": vxnet, "clusterID": "demo"}
    await write_files(cluster, key=key_file(cloud), settings=json.dumps(settings))
    files = mounting(key="/etc/qingcloud", settings="/etc/kubernetes")
    container = {
        "name": "ccm",
        "image": "qingcloud/cloud-controller-manager:v1.4.22",
        "command": ["/manager", "--cloud-config=/etc/kubernetes/config.yaml"],
        "volumeMounts": files["mounts"],
    }
    body = deployment("ccm", 1)
    body["spec"]["template"]["spec"] = {"containers": [container], "volumes": files["volumes"]}
    await cluster.create("/apis/apps/v1/namespaces/kube-system/deployments", body)


async def start_node(cluster: SampleCluster, instance: str, disk: Path) -> None:
    file = disk / "etc/qingcloud/instance-id"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{instance}\n")
    await cluster.add_node("node-0", disk=disk)
    await cluster.install_network()
    await cluster.nodes_are_ready(1)
    note = {"node.beta.kubernetes.io/instance-id": instance}
    await cluster.merge("/api/v1/nodes/node-0", {"metadata": {"annotations": note}})
    await grant(cluster)


async def ingress_of(cluster: SampleCluster, name: str) -> list[str]:
    found = await cluster.get(f"{SERVICES}/{name}")
    shown = found["status"]["loadBalancer"].get("ingress") or []
    return [one["ip"] for one in shown]


def test_services_get_balancers_and_leave_nothing_behind(
    cloud: CloudUnderTest, tmp_path: Path
) -> None:
    async def story() -> None:
        _, vxnet = make_vpc(cloud)
        (machine,) = run_machines(cloud, vxnet)
        async with running_cluster() as cluster:
            await start_node(cluster, machine, tmp_path)
            await run_controller(cluster, cloud, vxnet)
            for name, notes in (
                ("inside", {f"{NOTE}network-type": "internal"}),
                ("outside", {f"{NOTE}eip-source": "allocate"}),
            ):
                body = service(name, "web", type="LoadBalancer")
                body["metadata"]["annotations"] = notes
                await cluster.create(SERVICES, body)

            async def have_addresses() -> bool:
                return all([await ingress_of(cluster, name) for name in ("inside", "outside")])

            await until(have_addresses)
            (inside,) = await ingress_of(cluster, "inside")
            (outside,) = await ingress_of(cluster, "outside")
            assert (inside.rpartition(".")[0], outside.split(".")[0]) == ("192.168.1", "127")
            shown = cloud.ok("DescribeLoadBalancers", verbose=2)["loadbalancer_set"]
            assert {one["loadbalancer_name"].rsplit("_", 1)[0] for one in shown} == {
                "k8s_lb_demo_default_inside",
                "k8s_lb_demo_default_outside",
            }
            backends = cloud.ok("DescribeLoadBalancerBackends")["loadbalancer_backend_set"]
            assert {one["resource_id"] for one in backends} == {machine}
            for name in ("inside", "outside"):
                await cluster.api.request("DELETE", f"{SERVICES}/{name}")

            async def are_gone() -> bool:
                return all(
                    [await cluster.is_gone(f"{SERVICES}/{n}") for n in ("inside", "outside")]
                )

            await until(are_gone)
        counts = cloud.iaas.count_resources()
        assert "loadbalancer" not in counts
        assert "eip" not in counts

    run(story())


def test_controller_with_a_wrong_key_does_not_run(cloud: CloudUnderTest, tmp_path: Path) -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await start_node(cluster, "i-none", tmp_path)
            await write_files(cluster, key=key_file(cloud, secret="wrong"))
            files = mounting(key="/etc/qingcloud")
            container = {
                "name": "ccm",
                "image": "qingcloud/cloud-controller-manager:v1.4.22",
                "command": ["/manager", "--cloud-config=/etc/qingcloud/config.yaml"],
                "volumeMounts": files["mounts"],
            }
            spec = {"containers": [container], "volumes": files["volumes"]}
            path = "/api/v1/namespaces/kube-system/pods"
            await cluster.create(path, {"metadata": {"name": "ccm"}, "spec": spec})

            async def has_ended() -> bool:
                states = (await cluster.get(f"{path}/ccm"))["status"].get("containerStatuses") or ()
                return any(
                    "has no defaultVxNetForLB" in one["state"].get("waiting", {}).get("message", "")
                    for one in states
                )

            await until(has_ended)

    run(story())


@pytest.mark.parametrize("host", ["api.qingcloud.com", "10.0.0.1", "127.0.0.1.example.cn"])
def test_a_key_of_another_cloud_is_never_used(host: str) -> None:
    settings = {"qy_access_key_id": "a", "qy_secret_access_key": "b", "zone": "pek3", "host": host}
    with pytest.raises(Broken, match="the local cloud calls no other cloud"):
        CloudApi(settings, WallClock())


def driver(name: str, *sidecars: str) -> dict[str, Any]:
    files = mounting(csi="/etc/config")
    own = {
        "name": "driver",
        "image": "csiplugin/csi-qingcloud:v1.4.1",
        "args": ["--config=/etc/config/config.yaml", "--drivername=disk.csi.qingcloud.com"],
        "volumeMounts": [*files["mounts"], {"name": "id", "mountPath": "/etc/qingcloud"}],
    }
    others = [{"name": one, "image": f"registry.k8s.io/sig-storage/{one}:v1"} for one in sidecars]
    host = {"name": "id", "hostPath": {"path": "/etc/qingcloud"}}
    spec = {"containers": [own, *others], "volumes": [*files["volumes"], host]}
    return {"metadata": {"name": name}, "spec": spec}


async def start_driver(cluster: SampleCluster, cloud: CloudUnderTest) -> None:
    await write_files(cluster, csi=key_file(cloud))
    path = "/api/v1/namespaces/kube-system/pods"
    await cluster.create(path, driver("csi-node", "csi-node-driver-registrar"))
    await cluster.create(path, driver("csi", "csi-provisioner", "csi-attacher", "csi-resizer"))
    await cluster.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {
            "metadata": {
                "name": "disk",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "disk.csi.qingcloud.com",
            "parameters": {"type": "200"},
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        },
    )


def claim(name: str, size: str) -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        },
    }


def using(name: str, claimed: str) -> Obj:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claimed}}
    return {"metadata": {"name": name}, "spec": pod_template(name, volumes=[volume])["spec"]}


def test_claim_is_bound_attached_grown_and_gone_with_its_volume(
    cloud: CloudUnderTest, tmp_path: Path
) -> None:
    async def story() -> None:
        _, vxnet = make_vpc(cloud)
        (machine,) = run_machines(cloud, vxnet)
        async with running_cluster() as cluster:
            await start_node(cluster, machine, tmp_path)
            await start_driver(cluster, cloud)
            await cluster.create(CLAIMS, claim("data", "15Gi"))
            await cluster.create("/api/v1/namespaces/default/pods", using("web", "data"))
            await cluster.phases_are(Running=1)
            bound = await cluster.get(f"{CLAIMS}/data")
            assert bound["spec"]["storageClassName"] == "disk"
            assert bound["status"] == {
                "phase": "Bound",
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "20Gi"},
            }
            (seen,) = cloud.ok("DescribeVolumes", status=["in-use"])["volume_set"]
            assert seen["volume_name"] == f"pvc-{bound['metadata']['uid']}"
            assert (seen["size"], seen["volume_type"]) == (20, 200)
            assert seen["instance"]["instance_id"] == machine

            grown = {"spec": {"resources": {"requests": {"storage": "30Gi"}}}}
            await cluster.merge(f"{CLAIMS}/data", grown)

            async def has_grown() -> bool:
                found = await cluster.get(f"{CLAIMS}/data")
                return bool(found["status"]["capacity"]["storage"] == "30Gi")

            await until(has_grown)
            await cluster.api.request("DELETE", f"{CLAIMS}/data")
            still = await cluster.get(f"{CLAIMS}/data")
            assert still["metadata"]["deletionTimestamp"], "a pod uses it"
            await cluster.api.request("DELETE", "/api/v1/namespaces/default/pods/web")

            async def is_gone() -> bool:
                return not (await cluster.items(VOLUMES) or await cluster.items(ATTACHMENTS))

            await until(is_gone)
            assert await cluster.is_gone(f"{CLAIMS}/data")
        assert "volume" not in cloud.iaas.count_resources()

    run(story())


def test_metrics_are_served_by_the_server_in_the_pod_with_its_own_rights() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            await cluster.nodes_are_ready(1)
            system = "namespaces/kube-system"
            pod = {
                "metadata": {"name": "m", "labels": {"app": "m"}},
                "spec": {
                    "containers": [
                        {
                            "name": "m",
                            "image": "registry.k8s.io/metrics-server/metrics-server:v0.8.0",
                            "ports": [{"name": "https", "containerPort": 10250}],
                        }
                    ]
                },
            }
            await cluster.create(f"/api/v1/{system}/pods", pod)
            ports = [{"port": 443, "targetPort": "https"}]
            await cluster.create(
                f"/api/v1/{system}/services",
                {"metadata": {"name": "m"}, "spec": {"selector": {"app": "m"}, "ports": ports}},
            )
            registered = {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": {"name": "m", "namespace": "kube-system"},
            }
            services = "/apis/apiregistration.k8s.io/v1/apiservices"
            name = "v1beta1.metrics.k8s.io"
            await cluster.create(services, {"metadata": {"name": name}, "spec": registered})

            async def is_available() -> bool:
                found = await cluster.get(f"{services}/{name}")
                conditions = found["status"].get("conditions") or []
                return [one["status"] for one in conditions] == ["True"]

            await until(is_available)
            path = "/apis/metrics.k8s.io/v1beta1/nodes"
            refused = json.loads(await cluster.api.request("GET", path))
            assert "forbidden" in refused["message"]
            await grant(cluster)
            found = json.loads(await cluster.api.request("GET", path))
            assert [one["metadata"]["name"] for one in found["items"]] == ["node-0"]
            assert found["items"][0]["usage"]["cpu"].endswith("n")

    run(story())

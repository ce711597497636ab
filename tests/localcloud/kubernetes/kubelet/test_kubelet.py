"""Virtual kubelets: pods, NodePorts, and the pages of known images."""

import asyncio
import base64
import http.client
import socket
import ssl
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from localcloud.kubernetes.client.writes import STRATEGIC
from localcloud.kubernetes.objects.pods import parse_quantity
from localcloud.kubernetes.pods import images
from localcloud.kubernetes.pods.http import Request
from tests.localcloud.kubernetes.sample_cluster import (
    VPC,
    MovableClock,
    Obj,
    SampleCluster,
    advance_until,
    certificate,
    certificates,
    condition_of,
    deployment,
    is_true,
    key_pem,
    pem,
    pod_template,
    run,
    running_cluster,
    service,
    until,
)

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def one_node(cluster: SampleCluster, pods: int = 40) -> None:
    await cluster.add_node("node-0", pods=pods)
    await cluster.install_network()
    await cluster.nodes_are_ready(1)


def plain_pod(name: str, image: str = "nginx", **spec: object) -> Obj:
    return {"metadata": {"name": name}, "spec": pod_template(name, image, **spec)["spec"]}


async def becomes(
    cluster: SampleCluster, name: str, phase: str, clock: MovableClock | None = None
) -> Obj:
    async def holds() -> bool:
        found = await cluster.get(f"{PODS}/{name}")
        return bool(found["status"]["phase"] == phase)

    await (advance_until(clock, holds) if clock else until(holds))
    return await cluster.get(f"{PODS}/{name}")


async def waits_for(
    cluster: SampleCluster, name: str, reason: str, clock: MovableClock | None = None
) -> Obj:
    async def holds() -> bool:
        found = await cluster.get(f"{PODS}/{name}")
        states = [one["state"] for one in found["status"].get("containerStatuses", ())]
        return [one.get("waiting", {}).get("reason") for one in states] == [reason]

    await (advance_until(clock, holds) if clock else until(holds))
    return await cluster.get(f"{PODS}/{name}")


def test_a_pod_that_runs_looks_as_on_a_real_node() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            await cluster.create(PODS, plain_pod("one"))
            pod = await becomes(cluster, "one", "Running")
            status = pod["status"]
            assert status["podIP"].startswith("10.244.0.")
            assert status["podIPs"] == [{"ip": status["podIP"]}]
            assert status["hostIP"] == "192.168.100.10"
            assert all(
                is_true(pod, name)
                for name in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            )
            container = status["containerStatuses"][0]
            assert container["ready"]
            assert container["started"]
            assert container["restartCount"] == 0
            assert list(container["state"]) == ["running"]
            has_message = [reason for reason, _ in await cluster.reasons("one")]
            assert {"Scheduled", "Pulled", "Created", "Started"} <= set(has_message)

    run(story())


def test_a_deleted_pod_ends_and_frees_its_address() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            await cluster.create(PODS, plain_pod("one"))
            await becomes(cluster, "one", "Running")
            answer = await cluster.api.request("DELETE", f"{PODS}/one")
            assert answer["metadata"]["deletionGracePeriodSeconds"] == 30

            async def gone() -> bool:
                return await cluster.is_gone(f"{PODS}/one")

            await until(gone)

    run(story())


def test_a_missing_image_is_not_pulled() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            await cluster.create(PODS, plain_pod("one", "nginx:does-not-exist"))
            pod = await waits_for(cluster, "one", "ImagePullBackOff")
            assert pod["status"]["phase"] == "Pending"

    run(story())


def test_image_that_nobody_knows_cannot_be_pulled_until_the_pod_names_another() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            await cluster.create(PODS, plain_pod("one", "example.test/ngnix:1"))
            pod = await waits_for(cluster, "one", "ImagePullBackOff", clock)
            assert pod["status"]["phase"] == "Pending"
            container = {"name": pod["spec"]["containers"][0]["name"], "image": "nginx:1"}
            path = f"{PODS}/one"
            await cluster.api.request(
                "PATCH", path, body={"spec": {"containers": [container]}}, content_type=STRATEGIC
            )
            await becomes(cluster, "one", "Running", clock)

    run(story())


def test_missing_key_of_an_environment_is_waited_for() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            pod = plain_pod("one")
            reference = {"name": "settings", "key": "colour"}
            variable = {"name": "COLOUR", "valueFrom": {"configMapKeyRef": reference}}
            pod["spec"]["containers"][0]["env"] = [variable]
            await cluster.create(PODS, pod)
            await waits_for(cluster, "one", "CreateContainerConfigError", clock)
            maps = "/api/v1/namespaces/default/configmaps"
            await cluster.create(
                maps, {"metadata": {"name": "settings"}, "data": {"colour": "red"}}
            )
            await becomes(cluster, "one", "Running", clock)

    run(story())


def test_pod_that_is_bound_by_hand_waits_for_its_claim() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
            await cluster.create(PODS, plain_pod("one", nodeName="node-0", volumes=[claim]))
            await clock.advance(60)
            pod = await waits_for(cluster, "one", "ContainerCreating", clock)
            assert pod["status"]["phase"] == "Pending"

    run(story())


def test_a_pod_waits_for_the_config_map_that_it_mounts() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            volume = {"name": "settings", "configMap": {"name": "settings"}}
            await cluster.create(PODS, plain_pod("one", volumes=[volume]))
            await clock.advance(5)
            has_message = dict(await cluster.reasons("one"))
            expected = 'MountVolume.SetUp failed for volume "settings" : configmaps "settings" not'
            assert has_message["FailedMount"].startswith(expected)
            maps = "/api/v1/namespaces/default/configmaps"
            await cluster.create(maps, {"metadata": {"name": "settings"}, "data": {}})
            await clock.advance(5)
            assert (await cluster.get(f"{PODS}/one"))["status"]["phase"] == "Running"

    run(story())


def test_a_node_refuses_pods_beyond_its_limit() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster, pods=2)  # flannel is one of them
            for name in ("one", "two"):
                # Bound directly, without the scheduler, as a second scheduler would.
                await cluster.create(PODS, plain_pod(name, nodeName="node-0"))
            await becomes(cluster, "one", "Running")
            refused = await becomes(cluster, "two", "Failed")
            assert refused["status"]["reason"] == "OutOfpods"

    run(story())


def test_a_pod_without_a_server_that_may_end_succeeds() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            await cluster.create(PODS, plain_pod("task", "busybox", restartPolicy="Never"))
            done = await becomes(cluster, "task", "Succeeded")
            assert condition_of(done, "Ready")["reason"] == "PodCompleted"

    run(story())


def test_static_pods_are_shown_as_mirror_pods_of_their_node() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            spec = {
                "hostNetwork": True,
                "priorityClassName": "system-node-critical",
                "containers": [{"name": "etcd", "image": "etcd:3.6"}],
            }
            meta = {"name": "etcd", "namespace": "kube-system"}
            await cluster.add_node("master", static_pods=({"metadata": meta, "spec": spec},))
            path = "/api/v1/namespaces/kube-system/pods/etcd-master"

            async def running() -> bool:
                pod = await cluster.get(path)
                return bool(pod["status"]["phase"] == "Running")

            await until(running)
            pod = await cluster.get(path)
            assert pod["status"]["podIP"] == "192.168.100.10"
            assert pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
            assert "kubernetes.io/config.mirror" in pod["metadata"]["annotations"]

    run(story())


def test_containers_of_a_machine_that_was_off_are_started_again() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            await cluster.create(PODS, plain_pod("one"))
            await becomes(cluster, "one", "Running")
            await cluster.kubelets["node-0"].stop()
            await cluster.kubelets["node-0"].start()

            async def restarted() -> bool:
                pod = await cluster.get(f"{PODS}/one")
                return bool(pod["status"]["containerStatuses"][0]["restartCount"] == 1)

            await until(restarted)

    run(story())


def test_node_ports_reach_pods_on_every_node() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("node-0")
            await cluster.add_node("node-1")
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            await cluster.create(DEPLOYMENTS, deployment("nginx", 1))
            port = {"port": 80, "targetPort": 80, "nodePort": 30080}
            await cluster.create(SERVICES, service("web", "nginx", type="NodePort", ports=[port]))
            await cluster.phases_are(Running=1)

            async def answers() -> bool:
                for address in ("192.168.100.10", "192.168.100.11"):
                    try:
                        connection = cluster.fabric.dial(VPC, "192.168.100.2", address, 30080)
                    except ConnectionRefusedError:
                        return False
                    status, page = await asyncio.to_thread(fetch, connection, "GET", "/")
                    if status != 200:
                        return False
                    assert "nginx" in page
                    assert "local cloud stands in" in page
                return True

            await until(answers)
            await cluster.api.request("DELETE", f"{SERVICES}/web")

            async def closed() -> bool:
                try:
                    cluster.fabric.dial(VPC, "192.168.100.2", "192.168.100.10", 30080).close()
                except ConnectionRefusedError:
                    return True
                return False

            await until(closed)

    run(story())


def test_kube_ui_shows_over_https_what_the_api_answers_for_the_users_token() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            token = await grant_token(cluster)
            await install_ui(cluster)
            trust = ssl.create_default_context(cadata=certificates()[0].decode())

            async def request(method: str, path: str, **form: str) -> tuple[int, str, str]:
                connection = cluster.fabric.dial(VPC, "192.168.100.2", "192.168.100.10", 30443)
                return await asyncio.to_thread(
                    exchange_securely, trust, connection, method, path, **form
                )

            async def ready() -> bool:
                try:
                    return (await request("GET", "/"))[0] == 200
                except OSError:
                    return False

            await until(ready)
            _, page, _ = await request("GET", "/")
            assert "Log in to the cluster" in page
            status, page, _ = await request("POST", "/login", token="wrong")
            assert status == 401
            status, _, cookie = await request("POST", "/login", token=token)
            assert status == 303
            assert "HttpOnly" in cookie
            assert "Secure" in cookie
            status, page, _ = await request("GET", "/", cookie=cookie)
            assert status == 200
            assert "node-0" in page
            _, page, _ = await request("GET", "/services", cookie=cookie)
            assert "/object/services/default/kubernetes" in page

    run(story())


def test_a_ui_without_its_certificate_reports_what_is_missing() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            flags = ["-tls-cert-path=/tls/tls.crt", "-tls-key-path=/tls/tls.key"]
            pod = plain_pod("ui", "ghcr.io/headlamp-k8s/headlamp:v0.45.0")
            pod["spec"]["containers"][0]["args"] = flags
            await cluster.create(PODS, pod)
            waiting = await waits_for(cluster, "ui", "CrashLoopBackOff")
            state = waiting["status"]["containerStatuses"][0]["state"]
            assert state["waiting"]["message"] == "open /tls/tls.crt: no such file or directory"

    run(story())


def test_a_ui_with_an_invalid_certificate_does_not_start() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await one_node(cluster)
            data = {file: base64.b64encode(b"neither").decode() for file in ("tls.crt", "tls.key")}
            secrets = "/api/v1/namespaces/default/secrets"
            await cluster.create(secrets, {"metadata": {"name": "ui"}, "data": data})
            volume = {"name": "tls", "secret": {"secretName": "ui"}}
            pod = plain_pod("ui", "ghcr.io/headlamp-k8s/headlamp:v0.45.0", volumes=[volume])
            pod["spec"]["containers"][0] |= {
                "args": ["-tls-cert-path=/tls/tls.crt", "-tls-key-path=/tls/tls.key"],
                "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
            }
            await cluster.create(PODS, pod)
            waiting = await waits_for(cluster, "ui", "CrashLoopBackOff")
            state = waiting["status"]["containerStatuses"][0]["state"]
            assert state["waiting"]["message"].startswith("tls: ")

    run(story())


async def grant_token(cluster: SampleCluster) -> str:
    """Create a ServiceAccount that may read everything, and return a token of it."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await cluster.create(accounts, {"metadata": {"name": "viewer"}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}
    binding = {"metadata": {"name": "viewer"}, "roleRef": role, "subjects": [subject]}
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    await cluster.create(bindings, binding)
    answer = await cluster.create(f"{accounts}/viewer/token", {"spec": {}})
    return str(answer["status"]["token"])


async def install_ui(cluster: SampleCluster) -> None:
    """Publish kube-ui over HTTPS on port 30443 of every node."""
    key = ec.generate_private_key(ec.SECP256R1())
    _, ca_key_pem, _, _ = certificates()
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-ui")])
    signed = certificate(name, key, issuer, load_key(ca_key_pem), ("192.168.100.10",))
    files = {"tls.crt": pem(signed), "tls.key": key_pem(key)}
    data = {file: base64.b64encode(content).decode() for file, content in files.items()}
    secrets = "/api/v1/namespaces/default/secrets"
    await cluster.create(
        secrets, {"metadata": {"name": "ui"}, "type": "kubernetes.io/tls", "data": data}
    )
    body = deployment("ui", 1)
    spec = body["spec"]["template"]["spec"]
    spec["containers"][0] |= {
        "image": "ghcr.io/headlamp-k8s/headlamp:v0.45.0",
        "args": ["-in-cluster", "-tls-cert-path=/tls/tls.crt", "-tls-key-path", "/tls/tls.key"],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
    }
    spec["volumes"] = [{"name": "tls", "secret": {"secretName": "ui"}}]
    await cluster.create(DEPLOYMENTS, body)
    port = {"port": 443, "targetPort": 4466, "nodePort": 30443}
    await cluster.create(SERVICES, service("ui", "ui", type="NodePort", ports=[port]))


def load_key(content: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(content, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


class OverSocket(http.client.HTTPConnection):
    """An HTTP client on a connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__("pod.test")
        self.sock = connection


def exchange(
    connection: socket.socket, method: str, path: str, *, cookie: str = "", token: str = ""
) -> tuple[int, str, str]:
    """Send one request, and return status, page and the cookie that was set."""
    client = OverSocket(connection)
    body = urlencode({"token": token}) if token else None
    client.request(method, path, body, {"cookie": cookie.split(";")[0]} if cookie else {})
    answer = client.getresponse()
    page = answer.read().decode()
    return answer.status, page, answer.getheader("set-cookie") or ""


def exchange_securely(
    trust: ssl.SSLContext, connection: socket.socket, method: str, path: str, **form: str
) -> tuple[int, str, str]:
    """Send one request over TLS."""
    connection.setblocking(True)
    with trust.wrap_socket(connection, server_hostname="192.168.100.10") as secure:
        return exchange(secure, method, path, **form)


def fetch(connection: socket.socket, method: str, path: str) -> tuple[int, str]:
    connection.setblocking(True)
    with connection:
        try:
            status, page, _ = exchange(connection, method, path)
        except (http.client.HTTPException, OSError):
            return 0, ""
        return status, page


@pytest.mark.parametrize(
    ("image", "port"),
    [
        pytest.param("nginx", 80, id="short name"),
        pytest.param("docker.m.daocloud.io/library/nginx:1.27", 80, id="through a mirror"),
        pytest.param("registry.example:5000/nginx@sha256:00", 80, id="by digest"),
        pytest.param("ghcr.io/headlamp-k8s/headlamp:v0.45.0", 4466, id="kube-ui"),
    ],
)
def test_known_images_answer_on_their_port(image: str, port: int) -> None:
    pod = {"metadata": {"name": "one", "namespace": "default"}, **plain_pod("one", image)}
    reply = asyncio.run(images.serve(pod, port, Request("GET", "/")))
    assert reply.status == 200
    assert b"local cloud stands in" in reply.body


def test_unknown_images_and_other_ports_do_not_answer() -> None:
    for image, port in (("redis", 6379), ("nginx", 8080), ("my-nginx-exporter", 80)):
        with pytest.raises(images.NothingListens):
            asyncio.run(images.serve(plain_pod("one", image), port, Request("GET", "/")))


@pytest.mark.parametrize(
    ("text", "value"), [("250m", "0.25"), ("2", "2"), ("64Mi", "67108864"), ("1e3", "1000")]
)
def test_quantities(text: str, value: str) -> None:
    assert parse_quantity(text) == parse_quantity(value)

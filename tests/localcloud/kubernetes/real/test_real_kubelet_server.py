"""The kubelet's server, from which an API server reads logs."""

import asyncio
import ssl

from tests.localcloud.kubernetes.sample_cluster import (
    MASTER,
    VPC,
    SampleCluster,
    replication_controller,
    run,
    running_cluster,
)


async def ask(cluster: SampleCluster, node: str, path: str) -> tuple[int, str]:
    """Send one request to a node's kubelet, from the master, and return status and text."""
    address = (await cluster.get(f"/api/v1/nodes/{node}"))["status"]["addresses"][0]["address"]
    connection = cluster.fabric.dial(VPC, MASTER, address, 10250)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        sock=connection, ssl=context, server_hostname=address
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, text = answer.partition("\r\n\r\n")
    return int(head.split()[1]), text


def test_a_kubelet_serves_the_logs_of_its_pods_and_of_no_others():
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("worker")
            await cluster.install_network()
            place = "/api/v1/namespaces/default/replicationcontrollers"
            await cluster.create(place, replication_controller("nginx", 1))
            await cluster.phases_are(Running=1)
            [pod] = await cluster.pods()
            logs = f"/containerLogs/default/{pod['metadata']['name']}"
            status, text = await ask(cluster, "worker", f"{logs}/nginx?tailLines=1")
            assert (status, text.count("\n")) == (200, 1)
            assert "started on node worker" in text
            assert (await ask(cluster, "worker", f"{logs}/other"))[0] == 400
            assert (await ask(cluster, "worker", "/containerLogs/default/none/nginx"))[0] == 404
            status, text = await ask(cluster, "worker", "/exec/default/none/nginx")
            assert (status, "not emulated" in text) == (501, True)

    run(story())

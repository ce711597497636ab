"""The emulated API server as a process with kube-apiserver's command line."""

import asyncio
import random
import socket
import sys
from pathlib import Path

from localcloud.clock import WallClock
from localcloud.kubernetes.planes import PlaneConfig, Planes
from localcloud.profiles import PROFILES


def no_network(address: str, port: int) -> socket.socket:
    raise ConnectionRefusedError(f"{address}:{port}")


def config_of(options: dict[str, str]) -> PlaneConfig:
    return PlaneConfig(
        name="stand-in",
        version="v1.36.4",
        vpc="",
        address=options["advertise-address"],
        ca_certificate=Path(options["client-ca-file"]).read_bytes(),
        ca_key=b"",
        server_certificate=Path(options["tls-cert-file"]).read_bytes(),
        server_key=Path(options["tls-private-key-file"]).read_bytes(),
        pod_cidr="10.244.0.0/16",
        service_cidr=options["service-cluster-ip-range"],
        bootstrap_tokens=(),
        dial=no_network,
    )


async def serve(options: dict[str, str]) -> None:
    config = config_of(options)
    plane = Planes(WallClock(), PROFILES["instant"], random.Random(7)).create(config)
    await plane.start()
    listener = socket.create_server((options["bind-address"], int(options["secure-port"])))
    listener.setblocking(False)
    while True:
        connection, peer = await asyncio.get_running_loop().sock_accept(listener)
        plane.accept(connection, str(peer))


if __name__ == "__main__":
    asyncio.run(serve(dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])))

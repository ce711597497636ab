"""Machines with real SSH servers: a master, and nodes that are reached through it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients.ssh import SshMachine, SshTarget
from domain.cloud.endpoints import Endpoints
from domain.cloud.records import Instance
from domain.kernel.names import MASTERS, NODES
from domain.secrets.credentials import make_credentials
from domain.secrets.pki import make_ssh_keypair
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tests.clients.ssh.ssh_servers import Loop, Server
from tests.domain.makers import make_instance
from tests.memory_vault import MemoryVault
from tests.tasks.handles import make_cluster


class Machines:
    """A master and nodes, each with an SSH server of its own."""

    def __init__(self, loop: Loop, folder: Path, count: int) -> None:
        self.login, self.host_key = make_ssh_keypair(), make_ssh_keypair()
        self.master = make_instance(1, MASTERS)
        self.nodes = [
            replace(make_instance(1), id=f"i-{number:02}", private_ip=f"10.0.0.{number}")
            for number in range(1, count + 1)
        ]
        self._loop, self._folder = loop, folder
        self.servers = {one.private_ip: self._serve(one) for one in (self.master, *self.nodes)}

    def _serve(self, machine: Instance) -> Server:
        folder = self._folder / machine.id
        folder.mkdir()
        return self._loop.serve(Server(self.host_key, self.login, folder))

    def connect(self, target: SshTarget, **given: Any) -> SshMachine:
        address = target.address if target.address in self.servers else self.master.private_ip
        at = replace(target, address="127.0.0.1", port=self.servers[address].port)
        return SshMachine.connect(at, **given)

    def open(self) -> Cluster:
        vault = MemoryVault()
        ids = [one.id for one in (self.master, *self.nodes)]
        made = replace(make_credentials("demo", datetime.now(UTC)), ssh=self.login)
        vault.kept = replace(made, host_keys=dict.fromkeys(ids, self.host_key.public_key))
        cluster = make_cluster(ClusterSpec(), vault=vault)
        cluster.connect_ssh = self.connect
        users = {MASTERS: "root", NODES: "root"}
        return cluster.at(
            Endpoints(
                public_address="198.51.100.1",
                balancer_ip="192.168.1.9",
                ssh_port=2222,
                jump_host=self.master.id,
                users=users,
            )
        )

    def server(self, machine: Instance) -> Server:
        return self.servers[machine.private_ip]

    def hang_up(self) -> None:
        """End the connections of the master."""
        self._loop.drop_connections(self.server(self.master))

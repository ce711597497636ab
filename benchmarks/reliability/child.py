"""The run that is struck: production's own runbooks, in a process of its own that may be killed.

It talks to the relays instead of to cloud, API server and machines, its credentials are in a file,
and its clock is the worker's; everything else is as in the flows.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from benchmarks.reliability.claims import FileClaims
from benchmarks.reliability.clock import SharedClock
from benchmarks.reliability.link import Link, Order
from benchmarks.reliability.points import Stage
from benchmarks.reliability.troubles import Trouble
from benchmarks.reliability.vault import FileVault
from blocks.accounts import QingCloudAccount
from blocks.journals import FileJournal
from clients.kubernetes import ClusterClient
from clients.qingcloud import QingCloud
from clients.ssh import SshMachine, SshTarget
from domain.kernel.errors import ClusterError, TemporaryError
from domain.kernel.names import NODES
from domain.node.shell import Output
from domain.secrets.kubeconfig import ClusterAccess
from flows.runbooks.provision import provision
from flows.runbooks.scale import scale_to
from flows.runbooks.teardown import teardown
from flows.scale import leaving_machines
from tasks.cluster import Cluster
from tasks.control_plane import find_spec
from tasks.executors import PlainSteps
from tasks.overview import need_spec, wanted_spec
from tasks.runs import only_run

NAME = "demo"
KEY = "demo-matrix"
COUNTS = {Stage.PROVISION: 2, Stage.SCALE_OUT: 3, Stage.SCALE_IN: 2}
"""How many nodes each stage ends with."""

REPLY_TIMEOUT = 4.0
"""Real seconds; production waits for a minute. The local cloud answers within milliseconds."""


def carry_out(order: Order, connection: Connection) -> None:
    """Run one command to its end, and exit as the command does."""
    _prepare_process(order)
    link = Link(connection)
    try:
        _run(order.stage, _open(order, link))
    except ClusterError as error:
        link.end(f"{type(error).__name__}: {error}")
        sys.exit(1)
    link.end("")


def _run(stage: Stage, cluster: Cluster) -> None:
    steps = PlainSteps(cluster.clock)
    with only_run(cluster):
        if stage is Stage.TEARDOWN:
            teardown(steps, cluster)
        elif stage is Stage.PROVISION:
            stored = find_spec(cluster)
            spec = wanted_spec(cluster, stored, {"nodes": {"count": COUNTS[stage]}})
            is_stored = stored is not None
            provision(steps, cluster.wanting(spec), is_stored=is_stored, demo=False, ui=False)
        else:
            count = COUNTS[stage]
            wanting = cluster.wanting(need_spec(cluster).with_count("k8s-node", count))
            scale_to(steps, wanting, NODES, leaving_machines(wanting, NODES, count))


def _prepare_process(order: Order) -> None:
    log = os.open(order.folder / "run.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ |= {
        "HOME": str(order.folder),
        "XDG_DATA_HOME": str(order.folder / "data"),
        "SAMPLES_URL": f"sqlite:///{order.folder}/samples.db",
    }
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)


def _open(order: Order, link: Link) -> Cluster:
    clock = SharedClock(order.folder / "clock")
    cloud = QingCloud(
        order.zone,
        order.key_id,
        order.secret,
        order.endpoint,
        reply_timeout=REPLY_TIMEOUT,
        clock=clock,
    )
    account = QingCloudAccount(
        zone=order.zone,
        access_key_id=order.key_id,
        secret_access_key=SecretStr(order.secret),
        endpoint=order.endpoint,
        bills=False,
    )

    def connect_api(access: ClusterAccess) -> ClusterClient:
        where = urlsplit(access.server)
        assert where.hostname
        assert where.port
        port = link.api_port(where.hostname, where.port)
        return ClusterClient(replace(access, server=f"https://{where.hostname}:{port}"))

    def connect_ssh(target: SshTarget, *, jump: Any = None, **options: Any) -> SshMachine:
        if jump is None:
            target = replace(target, port=link.ssh_port(target.address, target.port))
        machine = StruckMachine.connect(target, jump=jump, **options)
        machine.link = link
        return machine

    return Cluster(
        account,
        NAME,
        KEY,
        cloud=cloud,
        vault=FileVault(order.folder / "credentials.json"),
        claims=FileClaims(order.folder / "claim.json"),
        journal=FileJournal(order.folder / "creating.json", clock),
        clock=clock,
        connect_api=connect_api,
        connect_ssh=connect_ssh,
    )


class StruckMachine(SshMachine):
    """A connection whose commands report themselves; the relay cuts it."""

    link: Link

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        def act(hook: Callable[[str], None] | None) -> Output:
            return super(StruckMachine, self).run(
                argv, deadline=deadline, stdin=stdin, on_line=hook
            )

        return cast(Output, self._struck(_command(argv), act, on_line))

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        self._struck(
            f"write-{path}", lambda _: super(StruckMachine, self).write_file(path, content, mode)
        )

    def _struck(
        self,
        command: str,
        act: Callable[[Callable[[str], None] | None], object],
        on_line: Callable[[str], None] | None = None,
    ) -> object:
        trouble = self.link.before(command)
        if trouble is Trouble.CUT_AMID:

            def cut(line: str) -> None:
                self.link.amid()

            return act(cut)
        done = act(on_line)
        if trouble in (Trouble.REPLY_LOST, Trouble.KILLED_AFTER):
            self.link.after(trouble)
            raise TemporaryError(f"{command}: the connection was lost")
        return done


def _command(argv: Sequence[str]) -> str:
    """A short name of a command on a machine."""
    text = argv[2] if len(argv) > 2 else argv[0]
    if script := re.search(r"(\w+)\.sh", text):
        return "-".join((script[1], *argv[4:]))
    if "ssh-keygen" in text:
        return "make-host-key"
    return "use-host-key" if "host-key" in text else argv[0]

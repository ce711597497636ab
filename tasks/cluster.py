"""The handle of one cluster: the clients of a run, and what it has read with them."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Self, cast

from blocks.accounts import QingCloudAccount
from blocks.credentials import connect_api
from blocks.journals import FileJournal
from blocks.settings import lock_file
from clients.ssh import SshMachine
from domain.cloud import images
from domain.cloud.adopted import NOTHING, adopted_by
from domain.cloud.announcing import announcing
from domain.cloud.api import Cloud
from domain.cloud.endpoints import Endpoints, check_finished, endpoints_of
from domain.cloud.inventory import Inventory, Machines, group_of, read_inventory, read_machines
from domain.cloud.journal import Journal, journaled
from domain.cloud.known import forget, guard, remembering
from domain.cloud.preflight import check_zone
from domain.cloud.records import Instance
from domain.cluster.claims import ClaimStore, Terms
from domain.kernel.errors import CredentialsMissing, Refused
from domain.kernel.names import ClusterId, node_name
from domain.kernel.waiting import Clock
from domain.node.boot import SharedLook
from domain.node.serving import PATIENCE, Patience, patience_of
from domain.observe.metrics.cloud import MonitoringApi
from domain.secrets.credentials import Credentials, credentials_name
from domain.secrets.kubeconfig import ClusterAccess, make_access
from domain.secrets.vault import Vault, check_usable, describe_missing
from domain.spec.cluster import ClusterSpec
from tasks.accounts import check_deployed_for
from tasks.claims import ClaimJournal, PrefectClaims, RunClaim
from tasks.events import announce_change
from tasks.sharing import SharedLogin
from tasks.vault import PrefectVault, find_user

if TYPE_CHECKING:
    from clients.kubernetes import ClusterClient

CERTIFICATE_VALIDITY = timedelta(hours=12)
"""A client certificate cannot be revoked: each run generates its own, valid little longer."""

FRESH = 20.0
"""Seconds after which a run reads the cloud anew, although its command has read it already."""


@dataclass
class _Opened:
    """The state that all copies of a handle share."""

    lock: RLock = field(default_factory=RLock)
    stack: ExitStack = field(default_factory=ExitStack)
    apis: dict[str, "tuple[ClusterClient, datetime]"] = field(default_factory=dict)
    credentials: Credentials | None = None
    users: dict[str, str] | None = None
    read_at: float = 0.0
    claim: RunClaim | None = None


class Cluster:
    """One cluster of one account, opened once a run; threads may share it.

    Runbooks and steps take the handle first, and then only their subject. `wanting` and `at` return
    a copy with more data and the same clients.

    Attributes:
        key: the cluster's name and a digest of its account; part of all names outside the cloud.
        cloud: keeps its answers; `cloud.known` serves them again.
        jump_host: the login to it, which the steps of a run share.
        claims, terms: the place of the claim to change the cluster, and its times.
        run_lock: the file that a run on this machine locks.
    """

    def __init__(
        self,
        account: QingCloudAccount,
        name: str,
        key: str,
        *,
        cloud: Cloud,
        vault: Vault,
        journal: Journal,
        claims: ClaimStore | None = None,
        clock: Clock = time,
        connect_api: "Callable[[ClusterAccess], ClusterClient]" = connect_api,
        connect_ssh: Callable[..., SshMachine] = SshMachine.connect,
    ) -> None:
        self.account, self.name, self.key = account, name, key
        self.journal = ClaimJournal(journal, lambda: self.claim)
        announced = announcing(cloud, partial(announce_change, key, name))
        self.cloud = remembering(journaled(announced, self.journal))
        self.vault, self.clock = vault, clock
        self.claims, self.terms = claims or PrefectClaims(key), Terms()
        self.run_lock = lock_file(f"{key}.run")
        self.accept_new_host_keys = False
        self.connect_ssh = connect_ssh
        self._connect_api = connect_api
        self._spec: ClusterSpec | None = None
        self._endpoints: Endpoints | None = None
        self._opened = _Opened()
        self.jump_host = SharedLogin(self._opened.stack)
        guard(self.cloud, self.check_claim)
        self.booting = SharedLook(partial(read_machines, self.cloud, name), clock=clock)

    def close(self) -> None:
        """Close all connections."""
        self._opened.stack.close()

    def wanting(self, spec: ClusterSpec, *, accept_new_host_keys: bool = False) -> Self:
        """Return the handle of the same cluster with the description that a run applies."""
        other = copy.copy(self)
        other._spec, other.accept_new_host_keys = spec, accept_new_host_keys
        return other

    def at(self, endpoints: Endpoints, users: Mapping[str, str] | None = None) -> Self:
        """Return the handle of the same cluster with these endpoints.

        Args:
            users: the login user of each group's image, where it is known.
        """
        other = copy.copy(self)
        other._endpoints = replace(endpoints, users=users) if users else endpoints
        return other

    @property
    def id(self) -> ClusterId:
        return ClusterId(self.name, self.key)

    @property
    def spec(self) -> ClusterSpec:
        """The description that this run applies, or reads."""
        assert self._spec is not None, "a runbook begins with cluster.wanting(spec)"
        return self._spec

    @property
    def allowed_cidrs(self) -> tuple[str, ...]:
        """The sources that may connect; empty without a description."""
        return self._spec.access.allowed_cidrs if self._spec else ()

    @property
    def bastion(self) -> str:
        """The bastion before the master, as ssh takes it; empty without a description."""
        return self._spec.access.jump if self._spec else ""

    def patience(self, group: str) -> Patience:
        """How long a machine of a group may take; the default without a description."""
        return patience_of(self._spec, group) if self._spec else PATIENCE

    # The cloud.

    def inventory(self, *, fresh: bool = False) -> Inventory:
        """Read every resource with one of the cluster's names, or return what was read before.

        Args:
            fresh: read everything again, because other processes may have changed it.

        Raises:
            NameTaken: a resource has one of the names and does not belong to the others.
        """
        if fresh:
            self.look_again()
        self._opened.read_at = self._opened.read_at or self.clock.monotonic()
        with self._zone_checked():
            wanted = adopted_by(self._spec) if self._spec else NOTHING
            return read_inventory(self.cloud, self.name, wanted)

    def look_again(self) -> None:
        """Drop what was read of the cloud, so that it is read again."""
        forget(self.cloud)
        self._opened.read_at = 0.0

    def look_again_unless_fresh(self) -> None:
        """Drop what was read too long ago, such as before a question to the user."""
        if self.clock.monotonic() - self._opened.read_at > FRESH:
            self.look_again()

    def machines(self) -> Machines:
        """Read the machines that are not terminated: one call."""
        with self._zone_checked():
            return read_machines(self.cloud, self.name)

    @contextmanager
    def _zone_checked(self) -> Iterator[None]:
        """Explain a refusal by the zone, where it is wrong. Raises `InvalidSpec` then."""
        try:
            yield
        except Refused:
            check_zone(self.cloud)
            raise

    def group_of(self, machine: Instance) -> str:
        return group_of(self.name, machine)

    def node_name(self, machine: Instance) -> str:
        """The hostname of a machine, which is its node's name too."""
        return node_name(self.group_of(machine), machine.id)

    @property
    def monitoring(self) -> MonitoringApi:
        """The cloud's own monitoring of machines."""
        return cast(MonitoringApi, self.cloud)

    # The endpoints.

    def endpoints(self) -> Endpoints:
        """The endpoints of the cluster; some are empty while it is not finished."""
        return self._endpoints or endpoints_of(self.inventory())

    def ssh_endpoints(self) -> Endpoints:
        """The endpoints with the login users. Raises `NotFound` for a cluster without a master."""
        endpoints = self.endpoints()
        check_finished(self.name, endpoints)
        if endpoints.users:
            return endpoints
        with self._opened.lock:
            if self._opened.users is None:
                machines = Machines(self.name, self.inventory().instances)
                self._opened.users = images.login_users(self.cloud, machines)
            return replace(endpoints, users=self._opened.users)

    # The claim.

    @property
    def claim(self) -> RunClaim | None:
        """The claim of the present run; None for a run that changes nothing."""
        return self._opened.claim

    @contextmanager
    def claimed(self, claim: RunClaim) -> Iterator[None]:
        """Let the changes inside depend on this claim."""
        self._opened.claim = claim
        try:
            yield
        finally:
            self._opened.claim = None

    def check_claim(self) -> None:
        """Check that this run may change the cluster. Raises as `RunClaim.check` does."""
        if self._opened.claim:
            self._opened.claim.check()

    # Credentials, and the cluster's API.

    def find_credentials(self) -> Credentials | None:
        """The cluster's credentials, or None where this Prefect server has none."""
        with self._opened.lock:
            if self._opened.credentials is None:
                self._opened.credentials = self.vault.find()
            return self._opened.credentials

    def credentials(self) -> Credentials:
        """The cluster's credentials. Raises `CredentialsMissing` and `BeingTornDown`."""
        return check_usable(self.vault, self.name, self.find_credentials())

    def check_not_ending(self) -> None:
        """Read the credentials again: another process may have begun a teardown, or pinned a key.

        Raises:
            CredentialsMissing, BeingTornDown: as `credentials` does.
        """
        self._keep(self.vault.find())
        self.credentials()

    def update_credentials(self, change: Callable[[Credentials], Credentials]) -> Credentials:
        """Change the saved credentials, one change at a time. Raises as `credentials` does."""
        return self.change_credentials(
            lambda found: change(check_usable(self.vault, self.name, found))
        )

    def change_credentials(
        self, change: Callable[[Credentials | None], Credentials]
    ) -> Credentials:
        """As `update_credentials`, also where there are none yet or a teardown has begun."""
        changed = self.vault.update(change)
        self._keep(changed)
        return changed

    def delete_credentials(self) -> bool:
        """Delete the credentials. Returns: whether there were any."""
        self._keep(None)
        return self.vault.delete()

    def access(self, user: str, validity: timedelta) -> ClusterAccess:
        """Make an administrator's client certificate for the cluster's API.

        This works during a teardown as well; `credentials` refuses then, so that nothing is added.

        Raises:
            CredentialsMissing: this Prefect server has none of this cluster.
        """
        found = self.find_credentials()
        if found is None:
            raise CredentialsMissing(describe_missing(self.vault, self.name))
        url = self.endpoints().api_url
        return make_access(found.ca, url, user, datetime.now(UTC), validity)

    def api(self) -> "ClusterClient":
        """The cluster's API as an administrator; one client a run, renewed before it expires."""
        url, now = self.endpoints().api_url, datetime.now(UTC)
        with self._opened.lock:
            client, expires = self._opened.apis.get(url, (None, now))
            if client is None or expires <= now:
                client = self._opened.stack.enter_context(self.new_api())
                self._opened.apis[url] = client, now + CERTIFICATE_VALIDITY / 2
            return client

    def new_api(self) -> "ClusterClient":
        """Open another client, for a thread or for a long time; the caller closes it."""
        return self._connect_api(self.access("qingcloud-flows", CERTIFICATE_VALIDITY))

    def _keep(self, credentials: Credentials | None) -> None:
        with self._opened.lock:
            self._opened.credentials = credentials


_open_now: ContextVar[dict[tuple[str, ...], Cluster] | None] = ContextVar("clusters", default=None)


@contextmanager
def open_cluster(
    account: QingCloudAccount, name: str, *, elsewhere: bool = False
) -> Iterator[Cluster]:
    """Open a cluster for one run.

    A flow that a command calls gets the handle that the command has opened, and what was read
    with it.

    Args:
        elsewhere: the account is meant to be another one than that of the run's own cluster.
    """
    identity = (account.endpoint, account.zone, account.access_key_id, name)
    opened = _open_now.get() or {}
    if identity in opened:
        yield opened[identity]
        return
    cloud = account.client()
    key = credentials_name(name, account.zone, find_user(account, cloud))
    if not elsewhere:
        check_deployed_for(key)
    journal = FileJournal(lock_file(f"{key}.creating"), time)
    vault = PrefectVault(key)
    cluster = Cluster(account, name, key, cloud=cloud, vault=vault, journal=journal)
    token = _open_now.set({**opened, identity: cluster})
    try:
        yield cluster
    finally:
        _open_now.reset(token)
        cluster.close()

"""QingCloud's IaaS API: one zone of one account, as the domain's `Cloud`."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from clients.qingcloud.accesskeys import AccessKeyCalls
from clients.qingcloud.addresses import AddressCalls
from clients.qingcloud.balancers import BalancerCalls, ListenerCalls
from clients.qingcloud.endpoint import DEFAULT_ENDPOINT, Endpoint, Keys
from clients.qingcloud.firewalls import FirewallCalls
from clients.qingcloud.images import ImageCalls
from clients.qingcloud.jobs import JobCalls
from clients.qingcloud.keys import KeyCalls
from clients.qingcloud.machines import MachineCalls
from clients.qingcloud.monitoring import MonitoringCalls
from clients.qingcloud.network import PortForwardCalls, VpcCalls, VxnetCalls
from clients.qingcloud.tags import TagCalls
from clients.qingcloud.transport import Transport
from clients.qingcloud.volumes import NicCalls, VolumeCalls
from domain.cloud.api import Cloud
from domain.kernel.waiting import READ_PAUSES, Clock

__all__ = ["DEFAULT_ENDPOINT", "QingCloud"]


class QingCloud(
    AccessKeyCalls,
    ImageCalls,
    JobCalls,
    VpcCalls,
    VxnetCalls,
    PortForwardCalls,
    AddressCalls,
    FirewallCalls,
    BalancerCalls,
    ListenerCalls,
    MachineCalls,
    MonitoringCalls,
    KeyCalls,
    TagCalls,
    VolumeCalls,
    NicCalls,
):
    """A client for one zone; threads may share it.

    A change is sent once, a read is repeated a few times. The error decides about another attempt:
    after `UnknownOutcome` the caller reads first, another `TemporaryError` may be retried, a
    `FinalError` may not. A change of nothing (an empty list of ids) is a `ValueError`.
    """

    def __init__(
        self,
        zone: str,
        access_key_id: str,
        secret_access_key: str,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        reply_timeout: float = 60.0,
        read_pauses: Sequence[float] = READ_PAUSES,
        clock: Clock = time,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            endpoint: the API's URL, including the path, which is signed.
            reply_timeout: seconds without data from the cloud within a call.
            read_pauses: seconds before a read is repeated; as often as there are pauses.

        Raises:
            AccessDenied: key or secret is empty.
            InvalidSpec: the endpoint is not valid.
        """
        keys = Keys(access_key_id, secret_access_key)
        where = Endpoint.parse(endpoint)
        super().__init__(Transport(zone, keys, where, reply_timeout, read_pauses, clock))

    @property
    def zone(self) -> str:
        return self._transport.zone

    @property
    def known(self) -> Self:
        """This client keeps nothing that it has read; `domain.cloud.known.remembering` does."""
        return self

    def measure_lag(self) -> timedelta:
        """How far the cloud's clock is behind ours, in minutes, by the last reply."""
        return self._transport.lag

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: between calls no connection is open."""


if TYPE_CHECKING:
    # Lets the type checker prove that the class satisfies the protocol.
    _proof: Callable[..., Cloud] = QingCloud

from collections.abc import Iterator

import pytest

from clients.qingcloud import QingCloud
from tests.clients.qingcloud.canned_cloud import KEY, SECRET, CannedCloud
from tests.domain.clocks import JumpingClock


@pytest.fixture
def canned() -> Iterator[CannedCloud]:
    with CannedCloud() as cloud:
        yield cloud


@pytest.fixture
def client(canned: CannedCloud) -> Iterator[QingCloud]:
    """A client that repeats nothing, and whose pauses take no time."""
    clock = JumpingClock()
    with QingCloud("pek3a", KEY, SECRET, canned.endpoint, read_pauses=(), clock=clock) as client:
        yield client

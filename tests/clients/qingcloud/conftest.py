from collections.abc import Iterator

import pytest

from clients.qingcloud import QingCloud
from tests.clients.qingcloud.canned_cloud import KEY, SECRET, CannedCloud


@pytest.fixture
def canned() -> Iterator[CannedCloud]:
    with CannedCloud() as cloud:
        yield cloud


@pytest.fixture
def client(canned: CannedCloud) -> Iterator[QingCloud]:
    """A client that repeats nothing."""
    with QingCloud("pek3a", KEY, SECRET, canned.endpoint, read_pauses=()) as client:
        yield client

from collections.abc import Iterator

import pytest

from tests.localcloud.vendor_client import Connections


@pytest.fixture
def connections() -> Iterator[Connections]:
    """The vendor client's open connections, closed after the test."""
    pool = Connections()
    yield pool
    pool.close()

from collections.abc import Iterator

import pytest

from tests.localcloud.iaas.cloud_under_test import CloudUnderTest, serve_cloud


@pytest.fixture
def cloud() -> Iterator[CloudUnderTest]:
    """A fresh, empty cloud, with the profile `instant`."""
    with serve_cloud() as served:
        yield served

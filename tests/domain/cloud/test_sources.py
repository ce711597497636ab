"""Whether the allowed sources include this machine, where its address is known."""

import pytest

from domain.cloud.preflight import check_sources
from domain.kernel.errors import InvalidSpec

ALLOWED = ("203.0.113.0/24", "9.9.9.0/24")


@pytest.mark.parametrize("source", ["127.0.0.1", "8.8.8.8"])
def test_an_address_that_is_left_out_is_refused_with_the_flag_that_adds_it(source: str) -> None:
    with pytest.raises(InvalidSpec, match=rf"--allow {source}/32") as caught:
        check_sources(ALLOWED, source)
    assert "203.0.113.0/24, 9.9.9.0/24" in str(caught.value)


@pytest.mark.parametrize("source", ["9.9.9.7", "192.168.3.4", "10.1.2.3", "100.64.0.9", ""])
def test_an_included_or_a_private_address_is_accepted(source: str) -> None:
    check_sources(ALLOWED, source)

from clients.own_address import read_own_address


def test_loopback_is_reached_from_loopback() -> None:
    assert read_own_address("http://127.0.0.1:9/iaas/") == "127.0.0.1"

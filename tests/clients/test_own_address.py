from clients.own_address import read_own_address


def test_what_is_asked_on_this_machine_is_asked_from_its_loopback() -> None:
    assert read_own_address("http://127.0.0.1:9/iaas/") == "127.0.0.1"

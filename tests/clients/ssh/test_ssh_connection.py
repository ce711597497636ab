"""Logins: what is accepted, what is refused, and which errors are temporary."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.ssh import SshMachine
from domain.kernel.errors import CredentialsMissing, FinalError, HostKeyMismatch, TemporaryError
from domain.secrets.hostkeys import fingerprint
from domain.secrets.pki import make_ssh_keypair
from tests.clients.ssh.ssh_servers import Server


def test_the_pinned_machine_is_accepted(server: Server) -> None:
    with SshMachine.connect(server.target()) as machine:
        assert machine.host_key == server.host_key.public_key


def test_another_host_key_ends_the_connection_before_the_login(server: Server) -> None:
    pinned = make_ssh_keypair().public_key
    with pytest.raises(HostKeyMismatch) as caught:
        SshMachine.connect(server.target(host_keys=(pinned,)))
    assert fingerprint(pinned) in str(caught.value)
    assert fingerprint(server.host_key.public_key) in str(caught.value)
    assert server.commands == []


def test_any_of_several_pinned_keys_is_accepted_and_returned(server: Server) -> None:
    keys = (make_ssh_keypair().public_key, server.host_key.public_key)
    with SshMachine.connect(server.target(host_keys=keys)) as machine:
        assert machine.host_key == server.host_key.public_key


def test_the_comment_of_a_pinned_key_does_not_matter(server: Server) -> None:
    with SshMachine.connect(server.target(host_keys=(f"{server.host_key.public_key} demo",))):
        pass


def test_a_machine_without_a_key_of_the_pinned_kind_is_a_mismatch(server: Server) -> None:
    with pytest.raises(HostKeyMismatch, match="pinned kind"):
        SshMachine.connect(server.target(host_keys=("ecdsa-sha2-nistp256 AAAA",)))


def test_unpinned_host_key_is_refused(server: Server) -> None:
    with pytest.raises(CredentialsMissing, match="accept-new-host-keys"):
        SshMachine.connect(server.target(host_keys=()))
    assert server.connections == []


def test_new_host_key_is_accepted_on_request_and_returned_for_pinning(server: Server) -> None:
    target = server.target(host_keys=())
    with SshMachine.connect(target, accept_new_host_key=True) as machine:
        assert machine.host_key == server.host_key.public_key


def test_a_pin_stays_strict_although_new_keys_may_be_accepted(server: Server) -> None:
    target = server.target(host_keys=(make_ssh_keypair().public_key,))
    with pytest.raises(HostKeyMismatch):
        SshMachine.connect(target, accept_new_host_key=True)


def test_login_key_that_is_not_installed_yet_is_a_temporary_error(server: Server) -> None:
    with pytest.raises(TemporaryError, match="does not accept our key"):
        SshMachine.connect(server.target(private_key=make_ssh_keypair().private_key))


def test_a_broken_login_key_is_final_and_not_quoted(server: Server) -> None:
    with pytest.raises(FinalError, match="not an ed25519 key") as caught:
        SshMachine.connect(server.target(private_key="-----BEGIN SECRET-----"))
    assert "SECRET" not in str(caught.value)


def test_the_private_key_never_shows_in_the_target(server: Server) -> None:
    assert server.login.private_key not in repr(server.target())


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def rude_port() -> Iterator[int]:
    """A port that closes connections at once, as a forward without a target does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("port", ["free_port", "silent_port", "rude_port"])
def test_machine_that_boots_is_a_temporary_error(
    server: Server, port: str, request: pytest.FixtureRequest
) -> None:
    server.port = request.getfixturevalue(port)
    with pytest.raises(TemporaryError):
        SshMachine.connect(server.target(), deadline=0.5)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_the_socket_does_not_wait_for_acknowledgements(server: Server) -> None:
    with SshMachine.connect(server.target()) as machine:
        connection = machine._transport.sock
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_machine_is_reached_through_another(make_server: Callable[[], Server]) -> None:
    outside, inside = make_server(), make_server()
    with (
        SshMachine.connect(outside.target()) as master,
        SshMachine.connect(inside.target(), jump=master) as node,
    ):
        assert node.run(["echo", "inside"], deadline=30).stdout == "inside\n"
    assert outside.tunnels == [("127.0.0.1", inside.port)]
    assert outside.commands == []


def test_many_machines_are_reached_through_one_connection_at_the_same_time(
    make_server: Callable[[], Server],
) -> None:
    outside, inside = make_server(), make_server()
    with SshMachine.connect(outside.target()) as master:

        def ask(number: int) -> str:
            with SshMachine.connect(inside.target(), jump=master) as node:
                return node.run(["echo", str(number)], deadline=20).stdout

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(16)))
    assert answers == [f"{number}\n" for number in range(16)]
    assert len(outside.connections) == 1


def test_node_that_boots_behind_the_jump_host_is_a_temporary_error(
    server: Server, free_port: int
) -> None:
    target = server.target()
    with SshMachine.connect(target) as master:
        server.port = free_port
        with pytest.raises(TemporaryError, match="cannot be reached yet"):
            SshMachine.connect(server.target(), jump=master, deadline=30)


def test_a_jump_host_that_forbids_tunnels_is_final(make_server: Callable[[], Server]) -> None:
    outside, inside = make_server(), make_server()
    outside.forbids_tunnels = True
    with (
        SshMachine.connect(outside.target()) as master,
        pytest.raises(FinalError, match="forbids it"),
    ):
        SshMachine.connect(inside.target(), jump=master, deadline=30)


def test_the_host_key_behind_the_jump_host_is_checked_too(
    make_server: Callable[[], Server],
) -> None:
    outside, inside = make_server(), make_server()
    with SshMachine.connect(outside.target()) as master, pytest.raises(HostKeyMismatch):
        SshMachine.connect(
            inside.target(host_keys=(outside.host_key.public_key,)), jump=master, deadline=5
        )


def test_closing_the_jump_host_closes_what_was_reached_through_it(
    make_server: Callable[[], Server],
) -> None:
    outside, inside = make_server(), make_server()
    master = SshMachine.connect(outside.target())
    node = SshMachine.connect(inside.target(), jump=master)
    master.close()
    with pytest.raises(TemporaryError):
        node.run(["true"], deadline=30)
    node.close()

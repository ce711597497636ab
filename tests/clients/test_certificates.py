import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from clients.certificates import read_certificate_end, read_end
from domain.kernel.errors import Refused, TemporaryError
from domain.secrets.pki import CertifiedKey, make_cluster_ca, make_server_certificate

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@contextmanager
def served(ca: CertifiedKey, folder: Path, born: datetime, validity: timedelta) -> Iterator[str]:
    """A TLS server for one handshake; yields its URL."""
    server = make_server_certificate(ca, ["127.0.0.1"], born, validity)
    (folder / "server.pem").write_text(server.certificate + server.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True):
                pass

        thread = Thread(target=shake_hands)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def test_expiry_of_a_servers_certificate_is_read(tmp_path: Path) -> None:
    ca = make_cluster_ca(NOW)
    with served(ca, tmp_path, NOW, DAY * 12) as url:
        assert abs(read_certificate_end(url, ca.certificate) - (NOW + DAY * 12)) < DAY


def test_expired_certificate_is_read_as_expired_now(tmp_path: Path) -> None:
    ca = make_cluster_ca(NOW - DAY * 30)
    with served(ca, tmp_path, NOW - DAY * 20, DAY) as url:
        assert read_certificate_end(url, ca.certificate) <= datetime.now(UTC)


def test_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    with (
        served(make_cluster_ca(NOW), tmp_path, NOW, DAY) as url,
        pytest.raises(Refused, match="cannot be trusted"),
    ):
        read_certificate_end(url, make_cluster_ca(NOW).certificate)


def test_unreachable_server_is_a_temporary_error() -> None:
    with pytest.raises(TemporaryError, match="does not answer"):
        read_certificate_end("https://127.0.0.1:9", make_cluster_ca(NOW).certificate)


def test_expiry_of_a_given_certificate_is_in_utc() -> None:
    assert read_end(make_cluster_ca(NOW).certificate) > NOW + DAY * 3000

"""kube-ui's certificate on a master: kept while it serves."""

import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.node.install import UI_FOLDER
from domain.node.kube_ui import ensure_ui_certificate
from domain.node.shell import Output
from domain.secrets.pki import CertifiedKey, make_cluster_ca, make_server_certificate

pytestmark = pytest.mark.local

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CA, OTHER_CA = make_cluster_ca(NOW), make_cluster_ca(NOW)
NAMES = ("203.0.113.9", "192.168.0.100")
YEAR, MONTH = timedelta(days=365), timedelta(days=30)


class Disk:
    """A machine's shell whose files are in a folder here."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: float,
        stdin: bytes = b"",
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        environment = os.environ | {"SYSROOT": str(self.root)}
        done = subprocess.run(
            argv, input=stdin, env=environment, capture_output=True, timeout=deadline
        )
        return Output(done.stdout.decode(), done.stderr.decode(), done.returncode)

    def write_file(self, path: str, content: bytes, mode: int) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def pair_of(
    names: Sequence[str] = NAMES, ca: CertifiedKey = CA, validity: timedelta = YEAR
) -> CertifiedKey:
    return make_server_certificate(ca, names, NOW, validity)


def is_kept(disk: Disk, *, now: datetime = NOW, names: Sequence[str] = NAMES) -> bool:
    """Ensure a certificate. Returns: whether none had to be made."""
    made = []

    def make() -> CertifiedKey:
        made.append(pair_of(names))
        return made[0]

    ensure_ui_certificate(disk, CA.certificate, names, now + MONTH, make)
    if made:
        stored = (disk.root / UI_FOLDER.lstrip("/") / "tls.crt").read_text()
        assert stored == made[0].certificate
    return not made


def test_a_certificate_is_made_once_and_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    assert not is_kept(disk)
    assert is_kept(disk)
    assert is_kept(disk, now=NOW + YEAR - MONTH - timedelta(days=1))
    assert not is_kept(disk, now=NOW + YEAR - MONTH + timedelta(days=1))


def test_other_addresses_want_another_certificate(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    is_kept(disk)
    assert is_kept(disk, names=NAMES[:1])
    assert not is_kept(disk, names=("203.0.113.10", NAMES[1]))


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param(pair_of(), pair_of(), id="halves of two pairs"),
        pytest.param(*[pair_of(ca=OTHER_CA)] * 2, id="another authority"),
        pytest.param(CertifiedKey("half", ""), CertifiedKey("", "half"), id="cut off"),
    ],
)
def test_a_pair_that_does_not_serve_is_replaced(
    tmp_path: Path, certificate: CertifiedKey, key: CertifiedKey
) -> None:
    disk = Disk(tmp_path)
    disk.write_file(f"{UI_FOLDER}/tls.crt", certificate.certificate.encode(), 0o644)
    disk.write_file(f"{UI_FOLDER}/tls.key", key.key.encode(), 0o600)
    assert not is_kept(disk)
    assert is_kept(disk)

"""Which database the samples go to."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.monitoring import MonitoringDatabase, open_samples
from domain.kernel.errors import InvalidSpec
from tests.domain.makers import DEMO


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{tmp_path}/here.db")
    with open_samples(DEMO) as samples:
        assert samples.where == f"sqlite:///{tmp_path}/here.db"


def test_invalid_url_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLES_URL", "here.db")
    with pytest.raises(InvalidSpec, match="is not valid"):
        open_samples(DEMO)


def test_block_does_not_show_its_password() -> None:
    block = MonitoringDatabase(url=SecretStr("postgresql+psycopg://k8s:secret@127.0.0.1/samples"))
    assert "secret" not in repr(block)
    with block.store(DEMO) as samples:
        assert samples.where == "postgresql+psycopg://k8s:***@127.0.0.1/samples"

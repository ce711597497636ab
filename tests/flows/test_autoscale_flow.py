"""An evaluation that a schedule began too late."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from prefect.runtime import flow_run
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from flows.autoscale import autoscale

NOWHERE = QingCloudAccount(
    zone="local1",
    access_key_id="KEY",
    secret_access_key=SecretStr("secret"),
    endpoint="http://127.0.0.1:1/iaas/",
)


def test_a_late_scheduled_run_returns_at_once_and_sends_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = datetime.now(UTC) - timedelta(seconds=90)
    monkeypatch.setattr(flow_run, "scheduled_start_time", due, raising=False)
    found = autoscale.fn(NOWHERE, "demo")
    assert found.kind == "skipped"
    assert re.search(r"9\d s late, and a newer one is due", found.sentence)

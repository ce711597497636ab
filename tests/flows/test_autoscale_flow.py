"""An evaluation that a schedule began too late."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from prefect.runtime import flow_run
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from domain.autoscaling.report import skipped, skipped_for_other, together
from flows.autoscale import autoscale, is_alive

NOWHERE = QingCloudAccount(
    zone="local1",
    access_key_id="KEY",
    secret_access_key=SecretStr("secret"),
    endpoint="http://127.0.0.1:1/iaas/",
)


def test_an_evaluator_that_finds_another_one_at_work_is_a_sign_of_life() -> None:
    now = datetime.now(UTC)
    silent = skipped("demo", "k8s-node", now, "the cluster does not answer")
    other = skipped_for_other("demo", "k8s-node", now, "host-1 holds the Lease")
    assert not is_alive(silent)
    assert is_alive(other)
    assert is_alive(together([silent, other]))
    assert other.sentence == (
        "nothing was decided, because another evaluator is at work: host-1 holds the Lease"
    )


def test_a_late_scheduled_run_returns_at_once_and_sends_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = datetime.now(UTC) - timedelta(seconds=90)
    monkeypatch.setattr(flow_run, "scheduled_start_time", due, raising=False)
    found = autoscale.fn(NOWHERE, "demo")
    assert found.kind == "skipped"
    assert re.search(r"9\d s late, and a newer one is due", found.sentence)

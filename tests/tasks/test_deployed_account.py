"""A run of a deployment works on the account that it was deployed for, or on none."""

from types import SimpleNamespace

import pytest
from prefect.context import FlowRunContext

from domain.kernel.errors import OtherAccount
from tasks.accounts import check_deployed_for


def run_with(monkeypatch: pytest.MonkeyPatch, *tags: str) -> None:
    run = SimpleNamespace(flow_run=SimpleNamespace(tags=list(tags)))
    monkeypatch.setattr(FlowRunContext, "get", lambda: run)


def test_another_account_than_the_deployment_s_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run_with(monkeypatch, "cluster:demo", "account:1a2b3c4d")
    check_deployed_for("demo-1a2b3c4d")
    with pytest.raises(OtherAccount, match=r"made for account 1a2b3c4d, .* account 5e6f7a8b"):
        check_deployed_for("demo-5e6f7a8b")


def test_a_command_and_a_deployment_of_an_earlier_version_are_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_deployed_for("demo-5e6f7a8b")
    run_with(monkeypatch, "of-mine")
    check_deployed_for("demo-5e6f7a8b")

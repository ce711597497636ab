"""The keys that add-ons keep in a cluster: of whom, for where, and never in silence."""

import logging

import pytest
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount, open_addon_account
from domain.cluster.addon_objects import AddOn
from domain.kernel.errors import BadRequest, InvalidSpec, Unreachable
from domain.spec.cluster import parse_spec
from tasks.addons import check_keys, refuse_elsewhere
from tests.tasks.handles import make_account, make_cluster

ID, SECRET = "ADDONS_ACCESS_KEY_ID", "ADDONS_SECRET_ACCESS_KEY"
SPEC = parse_spec({"addons": {"cloud_controller": {}, "metrics_server": {}}})


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ID, SECRET):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_nothing_begins_and_both_ways_are_named() -> None:
    with pytest.raises(InvalidSpec, match=rf"cloud_controller needs an API key.*{ID}"):
        check_keys(make_cluster(SPEC), is_running=False)


def test_half_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ID, "ONLY")
    with pytest.raises(InvalidSpec, match=f"set both {ID} and {SECRET}"):
        check_keys(make_cluster(SPEC), is_running=False)


def test_the_account_s_own_key_is_used_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = make_account()
    monkeypatch.setenv(ID, own.access_key_id)
    monkeypatch.setenv(SECRET, own.secret_access_key.get_secret_value())
    with caplog.at_level(logging.INFO):
        keys = check_keys(make_cluster(SPEC), is_running=False)
    assert [key.id for key in keys.of.values()] == [own.access_key_id]
    assert "is the account's own: whoever can read Secrets" in caplog.text
    assert own.secret_access_key.get_secret_value() not in caplog.text + repr(keys)


def test_another_key_is_tried_before_anything_is_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ID, "SUB")
    monkeypatch.setenv(SECRET, "its secret")
    with pytest.raises(Unreachable):  # nothing answers where these accounts are
        check_keys(make_cluster(SPEC), is_running=False)


def test_a_description_without_such_add_ons_needs_no_key() -> None:
    spec = parse_spec({"addons": {"metrics_server": {}}})
    assert check_keys(make_cluster(spec), is_running=False).of == {}


def test_a_key_of_another_zone_is_refused() -> None:
    other = QingCloudAccount(
        zone="gd2", access_key_id="SUB", secret_access_key=SecretStr("s"), bills=False
    )
    with pytest.raises(BadRequest, match=r"addons.csi.account sub is for zone gd2.*in local1"):
        refuse_elsewhere(make_cluster(SPEC), AddOn.CSI, "sub", other)


def test_nothing_named_and_nothing_set_is_no_account() -> None:
    assert open_addon_account("", make_account()) is None

"""Host keys: which keys of a machine are accepted, and when only one is."""

from datetime import UTC, datetime

from domain.secrets.credentials import (
    MOST_LAUNCHES,
    Credentials,
    credentials_name,
    make_credentials,
)

NEW = make_credentials("demo", datetime(2026, 11, 23, tzinfo=UTC))


def test_a_new_machine_may_present_any_key_of_a_recent_launch() -> None:
    launched = NEW.with_first("first-1").with_first("first-2")
    assert launched.accepted("i-a") == ("first-2", "first-1")


def test_a_machine_that_has_generated_its_key_may_present_the_old_one_until_it_is_pinned() -> None:
    made = NEW.with_first("first").with_made("i-a", "own")
    assert made.accepted("i-a") == ("own", "first")
    assert made.with_pinned("i-a", "own").accepted("i-a") == ("own",)
    assert made.with_pinned("i-a", "own").next_host_keys == {}


def test_the_keys_of_a_deleted_machine_are_removed() -> None:
    pinned = NEW.with_pinned("i-a", "own").with_pinned("i-b", "other")
    assert pinned.without("i-a").host_keys == {"i-b": "other"}


def test_keys_of_old_launches_are_removed() -> None:
    launched: Credentials = NEW
    for number in range(MOST_LAUNCHES + 3):
        launched = launched.with_first(f"first-{number}")
    assert len(launched.first_host_keys) == MOST_LAUNCHES
    assert launched.first_host_keys[0] == f"first-{MOST_LAUNCHES + 2}"


def test_nothing_secret_shows_in_a_repr() -> None:
    assert "PRIVATE" not in repr(NEW)


def test_the_same_cluster_name_of_two_users_has_two_blocks() -> None:
    users = ("usr-a", "usr-b")
    names = {credentials_name("demo", zone, user) for zone in ("pek3", "sh1") for user in users}
    assert len(names) == 4
    assert all(name.startswith("demo-") and name.islower() for name in names)

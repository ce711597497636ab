"""A cloud whose clock differs from ours: ages are measured by one clock."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.qingcloud import QingCloud
from clients.qingcloud.clocks import LEAST, measure_lag
from domain.kernel.errors import AccessDenied
from tests.clients.qingcloud.canned_cloud import Answer, CannedCloud, Request, ok
from tests.domain.makers import make_instance
from tests.flows.runbooks.world import new_world

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SKEWS = st.floats(-1200, 1200).map(lambda seconds: timedelta(seconds=seconds))


@given(SKEWS, st.floats(0, 3600))
def test_an_age_is_right_to_the_minute_for_any_clock_of_the_cloud(
    skew: timedelta, age: float
) -> None:
    theirs = NOW - skew
    created = theirs - timedelta(seconds=age)
    ours = created + measure_lag(format_datetime(theirs, usegmt=True), NOW)
    assert abs((NOW - ours).total_seconds() - age) <= LEAST.total_seconds() + 1


@given(SKEWS, st.floats(0, 5))
def test_the_same_moment_is_the_same_in_each_reply(skew: timedelta, later: float) -> None:
    """Unless the clocks differ by half a minute more or less, almost exactly."""
    lags = {
        measure_lag(format_datetime(NOW + after - skew, usegmt=True), NOW + after)
        for after in (timedelta(), timedelta(seconds=later))
    }
    assert max(lags) - min(lags) in (timedelta(), LEAST)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 32 Nov 2026 12:00:00 GMT"])
def test_a_reply_without_a_date_counts_as_of_our_clock(date: str) -> None:
    assert measure_lag(date, NOW) == timedelta()


def test_measurements_are_asked_for_and_dated_by_the_right_clock(
    canned: CannedCloud, client: QingCloud
) -> None:
    behind = timedelta(minutes=20)
    now = datetime.now(UTC).replace(microsecond=0)
    meter = {"meter_id": "cpu", "data": [[(now - behind).timestamp(), 500]]}

    def answer(request: Request) -> Answer:
        theirs = format_datetime(datetime.now(UTC) - behind, usegmt=True)
        monitor = ok(zone_set=[], resource_id="i-1", meter_set=[meter])
        return Answer(monitor.body, headers={"Date": theirs})

    canned.script = answer
    client.list_zones()
    (reading,) = client.read_machine_metrics([make_instance()], now - LEAST, now)
    assert reading.time == now
    until = canned.requests[-1].own_params["end_time"]
    assert datetime.fromisoformat(until) == now - behind


@pytest.mark.parametrize("minutes", [20, 3, 0])
def test_a_machine_of_a_cloud_that_is_behind_is_as_young_as_it_is(minutes: int) -> None:
    with new_world(timedelta(minutes=minutes)) as world:
        world.provision()
        ages = [datetime.now(UTC) - one.created_at for one in world.machines()]
        assert len(ages) == 3
        assert all(abs(age) < timedelta(minutes=2) for age in ages)


def test_a_cloud_that_is_ahead_refuses_the_first_call_with_the_reason() -> None:
    with new_world(timedelta(minutes=-20)) as world:
        with pytest.raises(AccessDenied, match="clock"):
            world.provision()
        assert world.resources() == {}

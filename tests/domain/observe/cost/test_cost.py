from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cloud.inventory import Inventory, Machines
from domain.cloud.planning import plan_cluster, plan_scale, plan_teardown
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import MASTERS, NODES
from domain.observe.cost import (
    NETWORK,
    Life,
    accrue,
    follow_lives,
    price_plan,
    rate_of_cluster,
    save_by_scaling,
    total,
)
from domain.spec.cluster import ClusterSpec, parse_spec
from domain.spec.prices import Billing, Prices
from tests.domain.makers import make_view

CREATED = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)  # noon in Beijing
PRICES = Prices(
    confirmed=True,
    instance_types={"s1.large.r2": Decimal("0.36")},
    router=Decimal("0.2"),
    load_balancer=Decimal("0.1"),
    address_traffic=Decimal("0.02"),
    address_mbps=Decimal("0.05"),
)
SPEC = ClusterSpec(prices=PRICES)


def make_life(hours: float | None = None, **changes: object) -> Life:
    values: dict[str, object] = {"resource": "i-1", "group": NODES, "kind": "s1.large.r2"}
    ended = None if hours is None else CREATED + timedelta(hours=hours)
    return Life(**values | {"created_at": CREATED, "ended_at": ended} | changes)  # type: ignore[arg-type]


def after(hours: float) -> datetime:
    return CREATED + timedelta(hours=hours)


# Rates of inventories and plans.


def test_cluster_costs_its_machines_router_balancer_and_address() -> None:
    rate = rate_of_cluster(make_view(SPEC, nodes=2), PRICES)
    assert rate.per_hour == 3 * Decimal("0.36") + Decimal("0.32")
    assert rate.per_month == rate.per_hour * 730
    assert (rate.unknown, rate.guessed) == ((), False)


def test_type_without_a_price_is_unknown_and_not_free() -> None:
    rate = rate_of_cluster(make_view(SPEC), Prices(instance_types={}))
    assert rate.unknown == ("s1.large.r2",)
    assert rate.guessed


def test_default_prices_are_called_guesses() -> None:
    assert not ClusterSpec().prices.confirmed
    assert rate_of_cluster(make_view(SPEC), ClusterSpec().prices).unknown == ()


def test_default_instance_type_has_a_price() -> None:
    spec = ClusterSpec()
    assert spec.prices.machine(spec.nodes.template.instance_type)


def test_plan_of_a_new_cluster_costs_what_the_cluster_will_cost() -> None:
    nothing = Inventory("demo")
    cost = price_plan(plan_cluster(SPEC, nothing), nothing, SPEC).cost
    assert cost
    assert cost.now.per_hour == 0
    assert cost.then == rate_of_cluster(make_view(SPEC), PRICES)


def test_plan_that_changes_nothing_costs_the_current_rate() -> None:
    view = make_view(SPEC)
    cost = price_plan(plan_cluster(SPEC, view), view, SPEC).cost
    assert cost
    assert cost.now == cost.then


def test_plan_to_grow_and_to_shrink_counts_the_machines() -> None:
    view = make_view(SPEC, nodes=2)
    grow = price_plan(plan_scale(view, NODES, 4, []), view, SPEC).cost
    shrink = price_plan(plan_scale(view, NODES, 1, [view.nodes[0].id]), view, SPEC).cost
    assert grow
    assert shrink
    assert grow.then.per_hour - grow.now.per_hour == Decimal("0.72")
    assert shrink.now.per_hour - shrink.then.per_hour == Decimal("0.36")


def test_rate_after_a_teardown_is_zero() -> None:
    view = make_view(SPEC)
    cost = price_plan(plan_teardown(view), view, SPEC).cost
    assert cost
    assert cost.then.per_hour == 0


def test_address_by_bandwidth_costs_each_mbit() -> None:
    assert PRICES.address(10, Billing.BANDWIDTH) == Decimal("0.50")
    assert PRICES.address(10, Billing.TRAFFIC) == Decimal("0.02")


def test_prices_survive_being_stored_to_the_last_digit() -> None:
    spec = parse_spec({"prices": {"router": "0.100001", "instance_types": {"x9": 0.1}}})
    stored = parse_spec(spec.model_dump(mode="json"))
    assert stored.prices == spec.prices
    assert stored.prices.machine("x9") == Decimal("0.1")


@pytest.mark.parametrize("price", [-1, "free", "0.0000001"])
def test_invalid_price_is_refused(price: object) -> None:
    with pytest.raises(InvalidSpec, match=r"prices\.router"):
        parse_spec({"prices": {"router": price}})


# Lifetimes.


def test_lifetime_of_a_billed_resource_begins_at_its_creation() -> None:
    view = make_view(SPEC, nodes=1)
    lives = follow_lives((), view, after(0))
    assert view.vpc
    assert view.balancer
    assert view.address
    assert {(life.resource, life.group) for life in lives} == {
        (view.masters[0].id, MASTERS),
        (view.nodes[0].id, NODES),
        (view.vpc.id, NETWORK),
        (view.balancer.id, NETWORK),
        (view.address.id, NETWORK),
    }
    assert all(life.ended_at is None for life in lives)
    assert lives[0].created_at == view.masters[0].created_at


def test_lifetime_ends_when_the_machine_is_missing() -> None:
    known = follow_lives((), make_view(SPEC, nodes=2), after(0))
    [ended] = follow_lives(known, make_view(SPEC, nodes=1), after(1))
    assert (ended.resource, ended.ended_at) == (make_view(SPEC, nodes=2).nodes[1].id, after(1))


def test_unchanged_inventory_changes_no_lifetime() -> None:
    view = make_view(SPEC)
    assert follow_lives(follow_lives((), view, after(0)), view, after(1)) == ()


def test_lifetime_of_a_machine_that_reappears_goes_on() -> None:
    view = make_view(SPEC, nodes=1)
    known = follow_lives((), view, after(0))
    ended = follow_lives(known, Inventory("demo"), after(1))
    assert set(follow_lives(ended, view, after(2))) == set(known)


def test_reading_of_machines_alone_ends_no_other_lifetime() -> None:
    whole = make_view(SPEC, nodes=1)
    known = follow_lives((), whole, after(0))
    assert follow_lives(known, Machines("demo", whole.instances), after(1)) == ()
    ended = follow_lives(known, Inventory("demo", whole.instances), after(1))
    assert {(life.group, life.ended_at) for life in ended} == {(NETWORK, after(1))}


# Accrued cost.


@pytest.mark.parametrize(
    ("billing", "network"), [(Billing.TRAFFIC, "0.32"), (Billing.BANDWIDTH, "0.8")]
)
def test_hour_of_a_cluster_costs_what_its_rate_says(billing: Billing, network: str) -> None:
    view = make_view(SPEC)
    assert view.address
    view = replace(view, address=replace(view.address, billing=billing, bandwidth_mbps=10))
    lives = [replace(life, created_at=CREATED) for life in follow_lives((), view, after(1))]
    costs = accrue(lives, PRICES, after(1))
    assert total(costs) == rate_of_cluster(view, PRICES).per_hour
    assert [cost.yuan for cost in costs if cost.group == NETWORK] == [Decimal(network)]


def test_price_of_zero_is_known() -> None:
    free = Prices(router=Decimal(0))
    [cost] = accrue([make_life(1, group=NETWORK, kind="router")], free, after(1))
    assert (cost.yuan, cost.unknown) == (Decimal(0), ())


def test_hour_costs_the_hourly_price() -> None:
    [cost] = accrue([make_life(1)], PRICES, after(9))
    assert (cost.yuan, cost.seconds) == (Decimal("0.36"), 3600)


def test_existing_machine_costs_until_now() -> None:
    assert total(accrue([make_life()], PRICES, after(2.5))) == Decimal("0.9")


def test_day_ends_at_midnight_in_beijing() -> None:
    costs = accrue([make_life()], PRICES, after(13))
    assert [(cost.day, cost.seconds) for cost in costs] == [
        (date(2026, 11, 1), 12 * 3600),
        (date(2026, 11, 2), 3600),
    ]


def test_groups_are_counted_apart() -> None:
    lives = [make_life(1), make_life(2, resource="i-2", group=MASTERS)]
    costs = accrue(lives, PRICES, after(5))
    assert {cost.group: cost.yuan for cost in costs} == {
        MASTERS: Decimal("0.72"),
        NODES: Decimal("0.36"),
    }


def test_machine_without_a_price_is_named_and_its_time_counted() -> None:
    [cost] = accrue([make_life(1, kind="x9.huge")], PRICES, after(1))
    assert cost.unknown == ("x9.huge",)
    assert (cost.yuan, cost.seconds) == (Decimal(0), 3600)


def test_lifetime_in_the_future_costs_nothing() -> None:
    assert accrue([make_life()], PRICES, after(-1)) == ()


@given(
    seconds=st.integers(0, 40 * 86400),
    price=st.decimals(0, 100, places=6, allow_nan=False),
)
def test_days_add_up_to_the_total_exactly(seconds: int, price: Decimal) -> None:
    prices = Prices(instance_types={"t": price})
    life = make_life(kind="t")
    costs = accrue([life], prices, CREATED + timedelta(seconds=seconds))
    assert sum(cost.seconds for cost in costs) == seconds
    exact = price * seconds / 3600
    assert 0 <= exact - total(costs) < Decimal("0.000001")


# Savings by scaling.


def test_saving_is_the_maximum_all_the_time_less_what_was_spent() -> None:
    lives = [make_life(), make_life(2, resource="i-2")]
    saving = save_by_scaling(NODES, lives, 5, "s1.large.r2", PRICES, after(10))
    assert saving
    assert saving.at_maximum == 5 * 10 * Decimal("0.36")
    assert saving.spent == 12 * Decimal("0.36")
    assert saving.yuan == 38 * Decimal("0.36")


def test_maximum_that_was_lowered_does_not_make_scaling_a_loss() -> None:
    lives = [make_life(resource=f"i-{number}", hours=2) for number in range(6)]
    saving = save_by_scaling(NODES, [*lives, make_life()], 3, "s1.large.r2", PRICES, after(10))
    assert saving
    assert saving.spent is not None
    assert (saving.maximum, saving.yuan) == (7, 7 * 10 * Decimal("0.36") - saving.spent)


def test_time_without_machines_saves_nothing() -> None:
    first = make_life(2)
    second = make_life(resource="i-2", created_at=after(50))
    saving = save_by_scaling(NODES, [first, second], 5, "s1.large.r2", PRICES, after(51))
    assert saving
    assert saving.at_maximum == 5 * 3 * Decimal("0.36")


def test_router_that_outlives_the_machines_saves_nothing() -> None:
    lives = [make_life(1), make_life(resource="rtr-1", group=NETWORK, kind="router")]
    saving = save_by_scaling(NODES, lives, 2, "s1.large.r2", PRICES, after(4))
    assert saving
    assert saving.yuan == Decimal("0.36")


def test_group_without_nodes_saves_while_its_masters_exist() -> None:
    lives = [make_life(1), make_life(resource="i-m", group=MASTERS)]
    saving = save_by_scaling(NODES, lives, 2, "s1.large.r2", PRICES, after(4))
    assert saving
    assert saving.yuan == (2 * 4 - 1) * Decimal("0.36")


def test_saving_without_a_price_is_unknown() -> None:
    saving = save_by_scaling(NODES, [make_life(kind="x9")], 5, "x9", PRICES, after(1))
    assert saving
    assert saving.yuan is None


def test_group_that_never_had_a_machine_has_saved_nothing() -> None:
    assert save_by_scaling(NODES, [], 5, "s1.large.r2", PRICES, after(1)) is None

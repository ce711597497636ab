"""The hourly rate of an inventory, and of the inventory after a plan."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from domain.cloud.addons import AddOns
from domain.cloud.inventory import Inventory
from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.money import PlanCost, Rate, add_up
from domain.kernel.names import Names
from domain.observe.cost.lives import Life, lives_of, lives_of_addons
from domain.spec.cluster import ClusterSpec
from domain.spec.prices import Prices

Line = tuple[str, Decimal | None]

NONE = AddOns()


def rate_of_cluster(inventory: Inventory, prices: Prices) -> Rate:
    """The current rate of all billed resources of a cluster."""
    return add_up(_lines(inventory, prices), guessed=not prices.confirmed)


def price_plan(plan: Plan, inventory: Inventory, spec: ClusterSpec, addons: AddOns = NONE) -> Plan:
    """Add the rates before and after it to a plan, and to what add-ons have made its price.

    Args:
        spec: gives the types of new machines, the bandwidth of a new address, and the prices.
    """
    prices = spec.prices
    made = tuple(lives_of_addons(addons))
    now = [*_lines(inventory, prices), *_lines_of(made, prices)]
    deleted = {item.id for item in plan.items if item.action is Action.DELETE}
    kept = [life for life in made if life.resource not in deleted]
    then = [*_lines(inventory, prices, without=deleted), *_lines_of(kept, prices)]
    for item in plan.items:
        if item.action is Action.CREATE and item.billed:
            then += [_new(item, spec)] * item.count
    guessed = not prices.confirmed
    cost = PlanCost(add_up(now, guessed=guessed), add_up(then, guessed=guessed))
    return replace(plan, items=price_items(plan.items, made, prices), cost=cost)


def price_items(
    items: Sequence[PlanItem], lives: Iterable[Life], prices: Prices
) -> tuple[PlanItem, ...]:
    """Add its own price to each item whose life is given."""
    priced = {life.resource: life.price(prices) for life in lives}
    return tuple(replace(item, hourly=priced.get(item.id)) for item in items)


def _lines(
    inventory: Inventory, prices: Prices, without: set[str] | frozenset[str] = frozenset()
) -> Iterator[Line]:
    lives = (life for life in lives_of(inventory) if life.resource not in without)
    yield from _lines_of(lives, prices)


def _lines_of(lives: Iterable[Life], prices: Prices) -> Iterator[Line]:
    for life in lives:
        yield life.kind, life.price(prices)


def _new(item: PlanItem, spec: ClusterSpec) -> Line:
    names, prices = Names(spec.name), spec.prices
    match item.kind:
        case "machine":
            type_id = spec.template(names.find_group(item.name)).instance_type
            return type_id, prices.machine(type_id)
        case "router":
            return item.kind, prices.router
        case "load balancer":
            return item.kind, prices.load_balancer
        case "public address":
            wanted = spec.address
            return item.kind, prices.address(wanted.bandwidth_mbps, wanted.billing)
        case _:
            return item.kind, None

"""The cost of a cluster: its hourly rate, and its total up to now."""

from domain.observe.cost.accrual import DailyCost, accrue, total
from domain.observe.cost.lives import (
    NETWORK,
    Life,
    follow_lives,
    lives_of,
    lives_of_addons,
    size_changes,
)
from domain.observe.cost.rates import price_items, price_plan, rate_of_cluster
from domain.observe.cost.savings import Saving, save_by_scaling

__all__ = [
    "NETWORK",
    "DailyCost",
    "Life",
    "Saving",
    "accrue",
    "follow_lives",
    "lives_of",
    "lives_of_addons",
    "price_items",
    "price_plan",
    "rate_of_cluster",
    "save_by_scaling",
    "size_changes",
    "total",
]

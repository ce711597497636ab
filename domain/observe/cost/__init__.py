"""What a cluster costs: an hour of it, and what it has cost so far."""

from domain.observe.cost.accrual import DailyCost, accrue, total
from domain.observe.cost.lives import BILLED, NETWORK, Life, follow_lives
from domain.observe.cost.rates import price_plan, rate_of_cluster
from domain.observe.cost.savings import Saving, save_by_scaling

__all__ = [
    "BILLED",
    "NETWORK",
    "DailyCost",
    "Life",
    "Saving",
    "accrue",
    "follow_lives",
    "price_plan",
    "rate_of_cluster",
    "save_by_scaling",
    "total",
]

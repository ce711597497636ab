"""What a cluster costs: an hour of it, and what its machines have cost so far."""

from domain.cost.accrual import DailyCost, accrue, total
from domain.cost.lives import MachineLife, follow_machines
from domain.cost.rates import price_plan, rate_of_cluster
from domain.cost.savings import Saving, save_by_scaling

__all__ = [
    "DailyCost",
    "MachineLife",
    "Saving",
    "accrue",
    "follow_machines",
    "price_plan",
    "rate_of_cluster",
    "save_by_scaling",
    "total",
]

"""Whose samples they are: group and name of each machine that is there."""

from collections.abc import Iterable

from domain.metrics.records import Sample
from domain.names import node_name
from domain.view import ClusterView


def places_of(view: ClusterView) -> dict[str, tuple[str, str]]:
    """Group and name of each machine by its id."""
    return {
        machine.id: (group, node_name(group, machine.id))
        for machine in view.instances
        for group in (view.group_of(machine),)
    }


def of_living_machines(view: ClusterView, samples: Iterable[Sample]) -> list[Sample]:
    """Leave out what was measured on machines that are not there any more."""
    there = {"", *(name for _, name in places_of(view).values())}
    return [sample for sample in samples if sample.machine in there]

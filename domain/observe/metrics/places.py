"""Group and name of each existing machine, for its samples."""

from collections.abc import Iterable

from domain.cloud.inventory import Machines
from domain.kernel.names import node_name
from domain.observe.metrics.records import Sample


def places_of(machines: Machines) -> dict[str, tuple[str, str]]:
    """Group and name of each machine by its id."""
    return {
        machine.id: (group, node_name(group, machine.id))
        for machine in machines.instances
        for group in (machines.group_of(machine),)
    }


def of_living_machines(machines: Machines, samples: Iterable[Sample]) -> list[Sample]:
    """Drop the samples of machines that no longer exist."""
    existing = {"", *(name for _, name in places_of(machines).values())}
    return [sample for sample in samples if sample.machine in existing]

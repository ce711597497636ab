"""Whether the pods of nodes that leave have a place on the others."""

from collections.abc import Collection, Sequence

from domain.autoscaling.fit.packing import Room
from domain.autoscaling.fit.place import place_of_node
from domain.autoscaling.see.snapshot import SeenNode


def find_stranded(
    nodes: Sequence[SeenNode], leaving: Collection[str], least_priority: int
) -> list[str]:
    """The pods of leaving nodes for which no other node has a place, each with the reason.

    Args:
        leaving: names of nodes.
        least_priority: pods below it may stay without a place.
    """
    room = Room(place_of_node(one) for one in nodes if one.ready and one.name not in leaving)
    pods = [pod for one in nodes if one.name in leaving for pod in one.pods]
    stranded = room.put(pod for pod in pods if pod.must_move(least_priority))
    return [
        f"{pod.title} ({_why(accepted)})"
        for pod in stranded
        for accepted in [any(place.admits(pod) is None for place in room.places)]
    ]


def _why(accepted: bool) -> str:
    return "the other nodes are full" if accepted else "no other node is one that it accepts"

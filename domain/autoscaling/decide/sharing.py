"""Which group buys machines for which of the pods that wait.

Each pod is given to one group: to the one that has bought for it, else to one whose machines boot
and will hold it, else to the cheapest that may grow and whose machine holds it. What no group holds
is left to the first, which reports it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.fit.packing import Room, pack
from domain.autoscaling.memory.pods import kind_of
from domain.autoscaling.see.snapshot import SeenPod

Price = Callable[[str], Decimal | None]
"""Yuan an hour for a machine of an instance type; None where it is not known."""

UNKNOWN = Decimal("Infinity")


def share_pods(scenes: Mapping[str, Scene], price: Price) -> dict[str, tuple[SeenPod, ...]]:
    """Divide the pending pods among the groups.

    Args:
        scenes: by group, each with all pending pods; the group for what nobody holds comes first.
    """
    first, *_ = scenes
    shares: dict[str, list[SeenPod]] = {group: [] for group in scenes}
    left = list(scenes[first].snapshot.pending)
    left = _given_to_their_buyers(scenes, shares, left)
    for group, scene in scenes.items():
        left = _put(scene, scene.booting, shares[group], left)
    for group, scene in sorted(scenes.items(), key=lambda item: _price(item[1], price)):
        left = _put(scene, _growth(scene), shares[group], left)
    for group, scene in scenes.items():  # at a maximum, or waiting for one machine after another
        left = _put(scene, len(left), shares[group], left)
    shares[first] += left
    return {group: tuple(pods) for group, pods in shares.items()}


def _given_to_their_buyers(
    scenes: Mapping[str, Scene], shares: Mapping[str, list[SeenPod]], pods: Iterable[SeenPod]
) -> list[SeenPod]:
    """Give pods for which a group has bought machines to this group, which waits for them.

    Until it is known whether machines that have arrived take them, these are all pods of the kind.
    """
    titles: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for group, scene in scenes.items():
        for purchase in scene.memory.purchases:
            titles |= dict.fromkeys(purchase.pods, group)
            kinds |= dict.fromkeys(purchase.pods.values() if purchase.arrived else (), group)
    left: list[SeenPod] = []
    for pod in pods:
        buyer = titles.get(pod.title) or (kinds.get(kind_of(pod)) if kinds else None)
        (shares[buyer] if buyer else left).append(pod)
    return left


def _put(
    scene: Scene, machines: int, share: list[SeenPod], pods: Sequence[SeenPod]
) -> list[SeenPod]:
    """Put pods on so many empty machines of a group. Returns: those that have no place there."""
    template = scene.template
    if template is None or machines < 1 or not pods:
        return list(pods)
    wanted = {pod.title for pod in scene.pending}
    offered = [pod for pod in pods if pod.title in wanted]
    packed = pack(offered, Room(()), template, scene.pods_per_node, machines)
    elsewhere = {pod.title for pod in packed.excess} | {pod.title for pod, _ in packed.unfit}
    elsewhere |= {pod.title for pod in pods if pod.title not in wanted}
    share += [pod for pod in pods if pod.title not in elsewhere]
    return [pod for pod in pods if pod.title in elsewhere]


def _growth(scene: Scene) -> int:
    """By how many machines a group may grow now."""
    joins = scene.memory.failed_joins
    is_backing_off = joins is not None and joins.until > scene.snapshot.time
    if not scene.policy.pending_pods or is_backing_off or scene.is_mass_failure:
        return 0
    return max(0, scene.bounds.maximum - scene.size)


def _price(scene: Scene, price: Price) -> Decimal:
    if scene.template is None:
        return UNKNOWN
    found = price(scene.template.instance_type)
    return UNKNOWN if found is None else found

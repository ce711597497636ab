"""Machines in their private networks: the lower part of the topology."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import groupby

from domain.kernel.texts import count_machines
from domain.reports.drawing import svg
from domain.reports.drawing.svg import Block, stack
from domain.reports.machines import MachineState, MachineView, choose_shown, tally

MOST_CARDS_OF_GROUP = 20  # in one network; the rest is counted
MOST_CARDS = 60  # shared by the networks, so that twenty of them are still one picture

_COLUMNS = 4
_GAP = 12.0
_CARD_HEIGHT = 82.0
_PADDING = 16.0

_SIGNS = {
    MachineState.READY: (svg.check, svg.GREEN),
    MachineState.CORDONED: (svg.pause, svg.AMBER),
    MachineState.NOT_READY: (svg.cross, svg.RED),
    MachineState.NO_NODE: (svg.hollow, svg.GREY),
    MachineState.BROKEN: (svg.cross, svg.RED),
}


def draw_networks(views: Sequence[MachineView], vxnets: Sequence[str], width: float) -> Block:
    """Draw each private network as a box with its machines by group.

    Args:
        vxnets: the networks' CIDRs; empty ones (not joined to the router) are left out. Machines
            whose address fits none share a box of their own.
    """
    networks = {cidr: IPv4Network(cidr, strict=False) for cidr in vxnets if cidr}
    inside: dict[str, list[MachineView]] = {cidr: [] for cidr in networks}
    for view in views:
        inside.setdefault(_find_network(view.machine.private_ip, networks), []).append(view)
    rows = MOST_CARDS // max(len(inside), 1) // _COLUMNS
    most = min(MOST_CARDS_OF_GROUP, max(rows, 1) * _COLUMNS)
    boxes = [
        _network(f"Private network {cidr}" if cidr else "In no known network", members, width, most)
        for cidr, members in inside.items()
    ]
    return stack(boxes or [_network("no private network", [], width, most)], 16)


def _find_network(address: str, networks: Mapping[str, IPv4Network]) -> str:
    """The CIDR that contains an address; empty where none does, or without an address."""
    try:
        wanted = IPv4Address(address)
    except ValueError:
        return ""
    return next((cidr for cidr, network in networks.items() if wanted in network), "")


def _network(title: str, views: Sequence[MachineView], width: float, most: int) -> Block:
    inner = width - 2 * _PADDING
    groups = [
        _group(name, list(members), inner, most)
        for name, members in groupby(
            sorted(views, key=lambda view: view.machine.group), key=lambda view: view.machine.group
        )
    ]
    content = stack(groups, 18)
    height = 40 + content.height + (_PADDING if groups else 0)
    count = count_machines(len(views)) if views else "no machine"
    frame = svg.rectangle(0, 0, width, height, radius=8, fill="#eaf1fb", stroke="#9db8e0")
    heading = svg.text(_PADDING, 26, title, bold=True, room=inner - 120) + svg.text(
        width - _PADDING, 26, count, colour=svg.MUTED, anchor="end"
    )
    return Block(frame + heading + svg.group(_PADDING, 40, content.svg), height)


def _group(name: str, views: Sequence[MachineView], width: float, most: int) -> Block:
    shown, hidden = choose_shown(views, most)
    label = svg.text(0, 14, name, bold=True, room=width / 2)
    label += svg.text(width, 14, tally(views), colour=svg.MUTED, anchor="end", room=width / 2 - 12)
    card_width = (width - _GAP * (_COLUMNS - 1)) / _COLUMNS
    cards = [
        svg.group(
            (index % _COLUMNS) * (card_width + _GAP),
            24 + (index // _COLUMNS) * (_CARD_HEIGHT + _GAP),
            _card(view, card_width),
        )
        for index, view in enumerate(shown)
    ]
    rows = -(-len(shown) // _COLUMNS)
    height = 24 + rows * (_CARD_HEIGHT + _GAP) - _GAP
    if not hidden:
        return Block(label + "".join(cards), height)
    more = f"… and {len(hidden)} more: {tally(hidden)}"
    rest = svg.text(0, height + 22, more, colour=svg.MUTED, room=width)
    return Block(label + "".join(cards) + rest, height + 26)


def _card(view: MachineView, width: float) -> str:
    """Name, address, type and state of one machine, and the pods of its node."""
    sign, colour = _SIGNS[view.state]
    machine = view.machine
    room = width - 24
    address = machine.private_ip or "no address yet"
    type_room = room - svg.width_of(address, 12) - 6
    parts = [
        svg.rectangle(0, 0, width, _CARD_HEIGHT, stroke=colour, dashed=view.node is None),
        sign(18, 18),
        svg.text(32, 22.5, machine.name, size=13, bold=True, room=width - 40),
        svg.text(12, 43, address, size=12),
        svg.caption(width - 12, 43, machine.type_id, anchor="end", room=type_room),
        svg.text(12, 62, view.state_text, size=12, bold=True, colour=colour, room=room),
    ]
    if view.node is not None:
        node = view.node
        pods = f"{node.pods} of {node.pods_allocatable} pods"
        left = room - svg.width_of(view.state_text, 12) - 6
        if left > svg.width_of(pods, 12):
            parts.append(svg.caption(width - 12, 62, pods, anchor="end"))
        parts.append(_gauge(12, 70, room, node.pods, node.pods_allocatable))
    return "".join(parts)


def _gauge(x: float, y: float, width: float, used: int, most: int) -> str:
    share = min(max(used / most, 0.0), 1.0) if most > 0 else 0.0
    track = svg.bar(x, y, width, 4, "#e4e9ee", radius=2)
    if not share:
        return track
    return track + svg.bar(x, y, max(width * share, 4), 4, "#5b8def", radius=2)

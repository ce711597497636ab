"""The path from the internet to the machines of a cluster, as a picture."""

from urllib.parse import urlsplit

from domain.kernel.texts import count_machines
from domain.reports.cluster import ClusterReport
from domain.reports.drawing import svg
from domain.reports.drawing.machines import draw_networks
from domain.reports.drawing.svg import Block
from domain.reports.machines import lone_lines, match_machines, tally

WIDTH = 1000.0
MARGIN = 24.0
INNER = WIDTH - 2 * MARGIN

NODES_API_PORT = 6443  # the balancer's second listener, inside the VPC only

_BOX_X, _BOX_WIDTH = 236.0, 400.0  # the public address, and the router below it
_BALANCER_X, _BALANCER_WIDTH = 716.0, 240.0
_DOOR_HEIGHT = 92.0
_MIDDLE_HEIGHT = 104.0


def draw_topology(report: ClusterReport) -> str:
    """Draw internet, public address, router, load balancer and machines as an SVG document.

    A missing part is drawn as a dashed frame with its name, so that an incomplete cluster has a
    picture too.
    """
    views = match_machines(report)
    middle_y = 88 + _DOOR_HEIGHT + 40
    networks = draw_networks(views, report.vxnets, INNER - 40)
    networks_y = middle_y + 44 + _MIDDLE_HEIGHT + 44
    vpc_height = networks_y + networks.height + 20 - middle_y
    foot = _footnote(report)
    body = [
        _heading(report, f"{count_machines(len(views))}: {tally(views)}" if views else "empty"),
        svg.group(0, 88, _entrance(report)),
        svg.group(MARGIN, middle_y, _vpc_frame(report, vpc_height)),
        svg.group(0, 88 + _DOOR_HEIGHT, _way_in(report)),
        svg.group(0, middle_y + 44, _router(report), _balancer(report)),
        svg.group(0, middle_y + 44 + _MIDDLE_HEIGHT, _ways_down(report)),
        svg.group(MARGIN + 20, networks_y, networks.svg),
        svg.group(MARGIN, middle_y + vpc_height + 12, foot.svg),
    ]
    height = middle_y + vpc_height + MARGIN + foot.height
    return svg.document(WIDTH, height, f"Topology of cluster {report.cluster}", "".join(body))


def find_port(url: str) -> int | None:
    """The port of a URL, or None where it names no valid one."""
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _heading(report: ClusterReport, summary: str) -> str:
    zone = f"zone {report.zone} · " if report.zone else ""
    return svg.text(
        MARGIN, 40, f"Cluster {report.cluster}", size=22, bold=True, room=INNER
    ) + svg.text(MARGIN, 64, zone + summary, colour=svg.MUTED, room=INNER)


def _entrance(report: ClusterReport) -> str:
    """The internet, and the public address with its published ports."""
    middle = _DOOR_HEIGHT / 2
    internet = svg.rectangle(
        MARGIN, middle - 24, 132, 48, radius=24, fill="#e8effc", stroke=svg.BLUE
    ) + svg.text(MARGIN + 66, middle + 5, "Internet", bold=True, anchor="middle")
    if not report.public_address:
        return internet + _missing(_BOX_X, _BOX_WIDTH, _DOOR_HEIGHT, "no public address")
    parts = [
        internet,
        _box(_BOX_X, _BOX_WIDTH, _DOOR_HEIGHT, "Public address"),
        svg.text(_BOX_X + 16, 46, report.public_address, size=17, bold=True),
        svg.arrow(MARGIN + 132, middle, _BOX_X, middle),
        svg.group(_BOX_X + 16, 58, _published(report)),
    ]
    return "".join(parts)


def _published(report: ClusterReport) -> str:
    """One chip for each published port: its service, and whether it is ready."""
    ready = {"API": report.api.ready, "UI": report.ui.ready}
    chips: list[str] = []
    x = 0.0
    for name, port in _endpoint_ports(report).items():
        sign = svg.check(13, 11.5) if ready[name] else svg.cross(13, 11.5)
        chip, width = _chip(f"{port} {name}", svg.GREEN if ready[name] else svg.RED, sign)
        chips.append(svg.group(x, 0, chip))
        x += width + 8
    if report.ssh_port:
        chips.append(svg.group(x, 0, _chip(f"{report.ssh_port} SSH", svg.LINE, "")[0]))
    return "".join(chips) or svg.text(0, 15, "nothing published", colour=svg.MUTED)


def _chip(words: str, stroke: str, sign: str) -> tuple[str, float]:
    left = 25.0 if sign else 12.0
    width = left + svg.width_of(words, 12) + 10
    frame = svg.rectangle(0, 0, width, 23, radius=11.5, stroke=stroke)
    return frame + sign + svg.text(left, 16, words, size=12), width


def _vpc_frame(report: ClusterReport, height: float) -> str:
    frame = svg.rectangle(0, 0, INNER, height, radius=10, fill=svg.PANEL, dashed=True)
    title = "VPC" if report.vpc_cidr else "no VPC"
    return frame + svg.text(20, 27, title, bold=True, colour=svg.MUTED)


def _way_in(report: ClusterReport) -> str:
    if not (report.public_address and report.vpc_cidr):
        return ""
    return svg.arrow(_BOX_X + _BOX_WIDTH / 2, 0, _BOX_X + _BOX_WIDTH / 2, 84)


def _router(report: ClusterReport) -> str:
    if not report.vpc_cidr:
        return _missing(_BOX_X, _BOX_WIDTH, _MIDDLE_HEIGHT, "no router")
    ports = _endpoint_ports(report)
    rows: list[str] = []
    if ports and report.balancer_ip:
        listed = ", ".join(map(str, ports.values()))
        rows.append(f"{listed} → load balancer")
    if report.ssh_port:
        rows.append(f"{report.ssh_port} → SSH of a master, the jump host")
    return _box(_BOX_X, _BOX_WIDTH, _MIDDLE_HEIGHT, "Router") + _box_content(
        _BOX_X, _BOX_WIDTH, report.vpc_cidr, rows
    )


def _balancer(report: ClusterReport) -> str:
    if not report.balancer_ip:
        return _missing(_BALANCER_X, _BALANCER_WIDTH, _MIDDLE_HEIGHT, "no load balancer")
    ports = _endpoint_ports(report)
    rows = []
    if "API" in ports:
        rows.append(f"{ports['API']}, {NODES_API_PORT} → apiserver")
    if "UI" in ports:
        rows.append(f"{ports['UI']} → kube-ui")
    parts = [
        _box(_BALANCER_X, _BALANCER_WIDTH, _MIDDLE_HEIGHT, "Load balancer"),
        _box_content(_BALANCER_X, _BALANCER_WIDTH, report.balancer_ip, rows),
    ]
    if report.vpc_cidr:
        y = _MIDDLE_HEIGHT / 2
        parts.append(svg.arrow(_BOX_X + _BOX_WIDTH, y, _BALANCER_X, y))
        label = ", ".join(ports)
        centre = (_BOX_X + _BOX_WIDTH + _BALANCER_X) / 2 - 4
        parts.append(svg.caption(centre, y - 8, label, anchor="middle", room=72))
    return "".join(parts)


def _ways_down(report: ClusterReport) -> str:
    """The arrows from router and balancer to the machines, if any exist."""
    if not report.machines:
        return ""
    parts = []
    if report.vpc_cidr and report.ssh_port:
        x = _BOX_X + _BOX_WIDTH / 2
        parts.append(svg.arrow(x, 0, x, 44))
        parts.append(svg.caption(x + 10, 25, "SSH"))
    if report.balancer_ip and (ports := _endpoint_ports(report)):
        x = _BALANCER_X + _BALANCER_WIDTH / 2
        parts.append(svg.arrow(x, 0, x, 44))
        parts.append(svg.caption(x + 10, 25, ", ".join(ports)))
    return "".join(parts)


def _endpoint_ports(report: ClusterReport) -> dict[str, int]:
    """The published ports by the names of their services."""
    found = {"API": find_port(report.api.url), "UI": find_port(report.ui.url)}
    return {name: port for name, port in found.items() if port is not None}


def _box(x: float, width: float, height: float, label: str) -> str:
    return svg.rectangle(x, 0, width, height, stroke="#8fa1b3") + svg.caption(x + 16, 22, label)


def _box_content(x: float, width: float, head: str, rows: list[str]) -> str:
    room = width - 32
    written = svg.text(x + 16, 45, head, size=17, bold=True, room=room)
    for index, row in enumerate(rows):
        written += svg.text(x + 16, 69 + 19 * index, row, size=13, room=room)
    return written


def _missing(x: float, width: float, height: float, words: str) -> str:
    return svg.rectangle(x, 0, width, height, fill="none", dashed=True) + svg.text(
        x + width / 2, height / 2 + 5, words, colour=svg.MUTED, anchor="middle"
    )


def _footnote(report: ClusterReport) -> Block:
    """Nodes without a machine of ours, which no network box shows."""
    lines = lone_lines(report)
    if not lines:
        return Block("", 0)
    words = "; ".join(lines)
    return Block(svg.cross(8, 8, svg.AMBER) + svg.text(24, 13, words, room=INNER - 24), 24)

"""Pictures of a cluster and of a run, as complete SVG documents."""

from domain.reports.drawing.timeline import draw_timeline
from domain.reports.drawing.topology import draw_topology

__all__ = ["draw_timeline", "draw_topology"]

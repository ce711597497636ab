"""The SVG elements of our drawings. Every text and attribute is escaped here.

Lengths are SVG user units, which are pixels where the picture is shown at its own size. The font
depends on the viewer, so widths of text are estimated, rather too large.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', sans-serif"

INK = "#1f2933"
MUTED = "#52606d"
PAPER = "#ffffff"
PANEL = "#f5f7fa"
LINE = "#c3ccd5"
BLUE = "#2457c5"
GREEN = "#1a7f37"
AMBER = "#8a5a00"
RED = "#c62828"
GREY = "#6b7680"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW = frozenset("iljtfrI.,:;'|!()[]- ")


@dataclass(frozen=True, slots=True)
class Block:
    """A finished part of a drawing, from its own (0, 0) downwards."""

    svg: str
    height: float


def stack(blocks: Iterable[Block], gap: float) -> Block:
    """Put blocks below each other; without blocks the height is 0."""
    parts: list[str] = []
    y = 0.0
    for block in blocks:
        parts.append(group(0, y, block.svg))
        y += block.height + gap
    return Block("".join(parts), max(y - gap, 0.0))


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """Write one element; `content` is SVG already. `stroke_width` becomes `stroke-width`."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def document(width: float, height: float, title: str, body: str) -> str:
    """A complete picture with a background of its own, for light and dark pages."""
    background = rectangle(0.5, 0.5, width - 1, height - 1, radius=10, stroke="#d9dfe5")
    content = element("title", escape_text(title)) + background + body
    return element(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        font_family=FONT,
    )


def group(x: float, y: float, *parts: str) -> str:
    return element("g", "".join(parts), transform=f"translate({_value(x)} {_value(y)})")


def rectangle(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    radius: float = 6,
    fill: str = PAPER,
    stroke: str = LINE,
    dashed: bool = False,
) -> str:
    dash = {"stroke_dasharray": "5 4"} if dashed else {}
    return element(
        "rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, stroke=stroke, **dash
    )


def bar(x: float, y: float, width: float, height: float, fill: str, *, radius: float = 3) -> str:
    """A filled rectangle without a frame."""
    return rectangle(x, y, width, height, radius=radius, fill=fill, stroke="none")


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    colour: str = INK,
    bold: bool = False,
    anchor: str = "start",
    room: float | None = None,
) -> str:
    """Write words with their baseline at `y`, cut to `room` where one is given."""
    shown = words if room is None else fit(words, room, size * (1.1 if bold else 1.0))
    weight: dict[str, str | float] = {"font_weight": 600} if bold else {}
    side: dict[str, str | float] = {"text_anchor": anchor} if anchor != "start" else {}
    return element(
        "text", escape_text(shown), x=x, y=y, font_size=size, fill=colour, **weight, **side
    )


def caption(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 12,
    anchor: str = "start",
    room: float | None = None,
) -> str:
    """Write small grey words."""
    return text(x, y, words, size=size, colour=MUTED, anchor=anchor, room=room)


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = LINE) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour)


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """A horizontal or vertical arrow; its head ends at the second point."""
    if y1 == y2:
        (x, y), corners = (x2 - 8, y2), [(x2 - 9, y2 - 5), (x2 - 9, y2 + 5)]
    else:
        (x, y), corners = (x2, y2 - 8), [(x2 - 5, y2 - 9), (x2 + 5, y2 - 9)]
    shaft = element("line", x1=x1, y1=y1, x2=x, y2=y, stroke=MUTED, stroke_width=1.5)
    head = " ".join(f"{_value(x)},{_value(y)}" for x, y in [(x2, y2), *corners])
    return shaft + element("polygon", points=head, fill=MUTED)


def points(places: Iterable[tuple[float, float]]) -> str:
    """Write the `points` of a polygon or a line."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def check(x: float, y: float) -> str:
    """A disc with a tick, 14 wide, centred at the point; drawn, because fonts may lack the sign."""
    return _disc(x, y, GREEN) + _stroke(f"M{x - 3.4:g} {y + 0.2:g}l2.4 2.5l4.4 -5.2")


def cross(x: float, y: float, colour: str = RED) -> str:
    """A disc with a cross."""
    return _disc(x, y, colour) + _stroke(
        f"M{x - 2.8:g} {y - 2.8:g}l5.6 5.6M{x + 2.8:g} {y - 2.8:g}l-5.6 5.6"
    )


def pause(x: float, y: float) -> str:
    """A disc with two bars."""
    return _disc(x, y, AMBER) + _stroke(f"M{x - 2:g} {y - 3:g}v6M{x + 2:g} {y - 3:g}v6")


def hollow(x: float, y: float) -> str:
    """An empty dashed ring."""
    return element(
        "circle",
        cx=x,
        cy=y,
        r=6.2,
        fill="none",
        stroke=GREY,
        stroke_width=1.6,
        stroke_dasharray="2.6 2.2",
    )


def width_of(words: str, size: float) -> float:
    """Estimate the width of words in an unknown sans-serif font, rather too large."""
    return size * sum(_advance(character) for character in words)


def fit(words: str, room: float, size: float) -> str:
    """Cut words that are too wide for the room, and end them with an ellipsis."""
    if width_of(words, size) <= room:
        return words
    left = room - width_of("…", size)
    kept = 0
    for character in words:
        left -= size * _advance(character)
        if left < 0:
            break
        kept += 1
    return words[:kept].rstrip() + "…"


def escape_text(words: str) -> str:
    """Escape words for XML; characters that XML cannot hold become U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", words))


def _advance(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.38
    return 0.72 if character.isupper() or character in "mw@%…" else 0.6


def _value(value: str | float) -> str:
    return _NOT_XML.sub("\ufffd", value) if isinstance(value, str) else f"{round(value, 2):g}"


def _disc(x: float, y: float, colour: str) -> str:
    return element("circle", cx=x, cy=y, r=7, fill=colour)


def _stroke(path: str) -> str:
    return element(
        "path",
        d=path,
        fill="none",
        stroke=PAPER,
        stroke_width=1.8,
        stroke_linecap="round",
        stroke_linejoin="round",
    )

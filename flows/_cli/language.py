"""What a terminal shows, in the language of this process."""

from typing import overload

from rich.console import Console, Group, RenderableType
from rich.text import Text

from words import ENGLISH, spoken, translate


class Verbatim(Text):
    """A text that is not ours, such as a name or what a script has printed: it stays as it is."""


class Terminal(Console):
    """A console that prints in the language of this process."""

    def print(self, *objects: object, **options: object) -> None:
        """Print as `Console.print` does."""
        super().print(*(in_language(one) for one in objects), **options)  # type: ignore[arg-type]


@overload
def in_language(what: str) -> str: ...
@overload
def in_language(what: Text) -> Text: ...
@overload
def in_language(what: RenderableType) -> RenderableType: ...
@overload
def in_language(what: object) -> object: ...
def in_language(what: object) -> object:
    """A text, or a group of them, in the language of this process; styles are kept."""
    match what:
        case _ if spoken() == ENGLISH:
            return what
        case str():
            return translate(what)
        case Verbatim():
            return what
        case Text():
            return _translated(what)
        case Group():
            return Group(*(in_language(one) for one in what.renderables))
        case _:  # tables translate their cells when they get them
            return what


def _translated(text: Text) -> Text:
    """Translate each part of one style by itself."""
    cuts = sorted({edge for span in text.spans for edge in (span.start, span.end)} - {0})
    whole = text.blank_copy()
    for part in text.divide(cuts):
        styles = [span.style for span in part.spans]
        whole.append(translate(part.plain), styles[0] if styles else None)
    return whole

"""The help of commands, in the language of this process."""

from typing import TYPE_CHECKING, Any

from attrs import evolve
from cyclopts.help import DefaultFormatter, HelpPanel, InlineText

from words import ENGLISH, spoken, translate

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions


class Help(DefaultFormatter):
    """Prints help as the parser does, with its texts translated."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: HelpPanel) -> None:
        if spoken() != ENGLISH:
            panel.title = translate(str(panel.title))
            panel.entries = [
                evolve(entry, description=_translated(entry.description)) for entry in panel.entries
            ]
        super().__call__(console, options, panel)

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Print the line that begins with `Usage:`."""
        if usage:
            line = translate(f"Usage: {str(usage).strip()}")
            console.print(line + "\n", markup=False, highlight=False)

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: Any
    ) -> None:
        """Print what the command does."""
        if description:
            console.print(_translated(description))


def _translated(help_text: Any) -> Any:
    """Translate a text and what stands in brackets behind it, such as its default."""
    source = getattr(getattr(help_text, "primary_renderable", None), "markup", None)
    if spoken() == ENGLISH or source is None:
        return help_text
    paragraphs = (" ".join(paragraph.split()) for paragraph in source.split("\n\n"))
    shown = "\n\n".join(translate(one) for one in paragraphs)
    found = InlineText.from_format(shown, "markdown", force_empty_end=help_text.force_empty_end)
    for text in help_text.texts:
        found.append(_bracketed(text))
    return found


def _bracketed(text: Any) -> Any:
    copy = text.copy()
    copy.plain = " " * (len(text.plain) - len(text.plain.lstrip())) + translate(text.plain.strip())
    return copy

"""What people read, in their language.

English is what the code says. Every other language is a catalogue, `<language>.po`, by which a
finished text is translated at the one place where it is printed or sent. JSON, names, numbers and
the logs of runs are the same in all languages.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from words.catalogue import Catalogue

ENGLISH = "en"
LANGUAGES = (ENGLISH, "zh")
FLAG = "--lang"
HELP = "Every command has `--lang en|zh`: the language of its texts (default: the locale's)."

_SIGNS = {"zh": "\u4e2d\u6587"}
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
_chosen = [""]
_spoken = [ENGLISH]


class UnknownLanguage(ValueError):
    """A language that we do not speak."""


def choose(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Speak the language of the flag `--lang`, else that of the locale, from now on.

    Returns:
        What was typed, without the flag.

    Raises:
        UnknownLanguage: there are no texts in that language.
    """
    left, given = without_flag(words)
    if given is not None and given not in LANGUAGES:
        raise UnknownLanguage(f"{FLAG} {given} is not one of {', '.join(LANGUAGES)}")
    _chosen[0] = given or ""
    language = given or of_locale(environment)
    _spoken[0] = language if can_write(language, sys.stderr.encoding) else ENGLISH
    return left


def without_flag(words: Sequence[str]) -> tuple[list[str], str | None]:
    """What was typed without the flag `--lang`, and its last value; None where it was not typed."""
    left: list[str] = []
    given = None
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag == FLAG:
            given = value if equals else next(rest, "")
        else:
            left.append(word)
    return left, given


def can_write(language: str, encoding: str | None) -> bool:
    """Whether a terminal of this encoding has the language's signs."""
    try:
        _SIGNS.get(language, "").encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def chosen() -> str:
    """The language of the flag; empty where none was given."""
    return _chosen[0]


def spoken() -> str:
    """The language of texts."""
    return _spoken[0]


def of_locale(environment: Mapping[str, str]) -> str:
    """The language of these variables, of which the first that is set counts."""
    locale = next((environment[name] for name in _LOCALE if environment.get(name)), "")
    return "zh" if locale.lower().startswith("zh") else ENGLISH


def translate(text: str, language: str = "") -> str:
    """A text in the language of this process, or in another one."""
    language = language or spoken()
    return text if language == ENGLISH else catalogue(language).translate(text)


@cache
def catalogue(language: str) -> Catalogue:
    """The texts of a language, read when it is first spoken."""
    from words.po import STATES, read

    content = Path(__file__).with_name(f"{language}.po").read_text(encoding="utf-8")
    entries = list(read(content))
    states = {one.text for one in entries if one.places == (STATES,)}
    return Catalogue({one.text: one.translation for one in entries}, states)

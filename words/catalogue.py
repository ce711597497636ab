"""From a finished English text to another language, by the templates of a catalogue.

The text is covered by templates as completely as they can: by one template whose values are
translated in turn, or by parts that a comma, a semicolon or the like joins. What no template
covers stays as it is: names, numbers, and the words of other programs.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

SEPARATORS = {"; ": "；", ". ": "。", ": ": "：", ", ": "，", " and ": " 和 "}
"""What joins parts of a text, and what does so in Chinese; the stronger ones first."""

LISTS = {"，": ", ", " 和 ": " and "}
"""What joins names."""

VERBS = re.compile(r" (?=(?:is|are|has|have|was|were|does|lacks|lists|forwards|must) )")
"""Where a text such as `machine i-1 is not a node` has its subject before, and a text behind."""

LEADING = 4
"""How much more a joint in the value that begins a text counts."""

SHORT = 4
"""A template with fewer letters, such as `{0} of {1}`, says too little by itself."""

_EDGES = re.compile(r"([\s,;:]*)(.*?)([\s,;:]*)", re.DOTALL)
_BRACKETS = re.compile(r"(.*?) ?\(([^()]*(?:\([^()]*\)[^()]*)*)\)(.*)", re.DOTALL)
_FIELD = re.compile(r"\{(\d+)\}")
_WORD = re.compile(r"(?<![\w./@=-])[A-Za-z][a-z]+(?![\w/@=-])")
_COMMAND = re.compile(r"python -m \S+( --?\S+( [^-\s]\S*)?)*")
_WIDE = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
_BETWEEN = re.compile(f"(?<=[{_WIDE}]) (?=[{_WIDE}])")


@dataclass(frozen=True)
class Template:
    """A text with numbered values, and its translation."""

    text: str
    translation: str

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """What the text says between its values, without the first letter: it may be a capital."""
        pieces = _FIELD.sub("\0", self.text).split("\0")
        return tuple(piece for piece in (pieces[0][1:], *pieces[1:]) if piece)

    @cached_property
    def letters(self) -> int:
        """How many letters the template covers."""
        return _letters(_FIELD.sub("", self.text))

    @cached_property
    def length(self) -> int:
        """How many signs the template covers."""
        return len(_FIELD.sub("", self.text))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        first, *rest = re.split(r"\{\d+\}", self.text)
        begin = f"(?i:{re.escape(first[:1])}){re.escape(first[1:])}"
        # Of two values side by side the first takes both: the second often is empty.
        values = ["(.*?)" if part else "(.*)" for part in rest]
        values[-1:] = ["(.*?)"] if rest[-1:] else []
        joined = zip(values, (re.escape(part) for part in rest), strict=True)
        return re.compile(begin + "".join(value + part for value, part in joined))

    def values(self, text: str) -> dict[int, str] | None:
        """The values by their number; None where the text is not made by this template."""
        if not all(piece in text for piece in self.pieces):
            return None
        found = self.pattern.fullmatch(text)
        if not found:
            return None
        numbers = [int(number) for number in _FIELD.findall(self.text)]
        return dict(zip(numbers, found.groups(), strict=True))

    def fill(self, covers: Mapping[int, "Cover"]) -> str:
        """The translation with these values."""
        return _FIELD.sub(lambda one: covers[int(one[1])].text, self.translation)


@dataclass(frozen=True, slots=True, order=True)
class Cover:
    """A translation, and how well it covers the English; the least is the best.

    Attributes:
        left: letters of the English that are left in it.
        joints: commas and the like within the values of its template, which may be joints of texts.
        vague: how many signs its template itself covers, or those of its parts, below zero.
    """

    left: int
    joints: int
    vague: int
    text: str = field(compare=False)


class Catalogue:
    """The texts of one language."""

    def __init__(self, translations: Mapping[str, str], states: Container[str] = ()) -> None:
        """Read the texts.

        Args:
            states: single words that nothing is named after, such as `missing`: they are translated
                wherever they stand, and other single words only where they are a whole line.
        """
        given = {text: words for text, words in translations.items() if words}
        plain = {_small(text): words for text, words in given.items() if not _FIELD.search(text)}
        self._words = {text: words for text, words in plain.items() if " " not in text}
        self._exact = {
            text: words for text, words in plain.items() if " " in text or text in states
        }
        self._templates = [Template(*pair) for pair in given.items() if _FIELD.search(pair[0])]
        self._known: dict[str, Cover] = {}

    def translate(self, text: str) -> str:
        """The text in this language, as far as the catalogue knows it."""
        lines = (self._line(line) for line in text.split("\n"))
        return _BETWEEN.sub("", "\n".join(lines))

    def _line(self, text: str) -> str:
        before, core, after = _parts(text)
        if words := self._words.get(_small(core)):
            return _edge(before) + words + _edge(after)
        return self._cover_edged(text).text

    def _cover_edged(self, text: str) -> Cover:
        before, core, after = _parts(text)
        cover = self._cover(core)
        if cover.text == core:
            return replace(cover, text=text)
        return replace(cover, text=_edge(before) + cover.text + _edge(after))

    def _cover(self, text: str) -> Cover:
        if text not in self._known:
            self._known[text] = _unchanged(text)  # while it is looked for
            self._known[text] = self._find(text)
        return self._known[text]

    def _find(self, text: str) -> Cover:
        if words := self._exact.get(_small(text)):
            return Cover(0, 0, -len(text), words)
        if " " not in text:
            return _unchanged(text)  # a name or a number
        ways = [*self._by_parts(text), *self._by_templates(text), _unchanged(text)]
        return min(ways)  # of equal ones the first

    def _by_templates(self, text: str) -> Iterator[Cover]:
        for template in self._templates:
            values = template.values(text)
            if values is None:
                continue
            covers = {number: self._cover_edged(value) for number, value in values.items()}
            if template.letters < SHORT and any(cover.left for cover in covers.values()):
                continue
            left = sum(cover.left for cover in covers.values())
            joints = sum(_joints(value) for value in values.values())
            if template.text.startswith("{"):  # where the sentence before would end up
                joints += LEADING * _joints(next(iter(values.values())))
            yield Cover(left, joints, -template.length, template.fill(covers))

    def _by_parts(self, text: str) -> Iterator[Cover]:
        for separator, ours in SEPARATORS.items():
            if parts := _split(text, separator):
                yield self._join(parts, ours, text)
        for verb in VERBS.finditer(text):
            yield self._join((text[: verb.start()], text[verb.end() :]), " ", text)
        if (brackets := _BRACKETS.fullmatch(text)) and brackets[2]:
            before, inside, after = (self._cover_edged(part) for part in brackets.groups())
            left = before.left + inside.left + after.left
            if left < _letters(text):
                vague = before.vague + inside.vague + after.vague
                yield Cover(left, 0, vague, f"{before.text}（{inside.text}）{after.text}")

    def _join(self, parts: Sequence[str], separator: str, whole: str) -> Cover:
        covers = [self._cover_edged(part) for part in parts]
        left = sum(cover.left for cover in covers)
        if left == _letters(whole):
            return _unchanged(whole)
        if separator in LISTS and covers[-1].text == covers[-1].text.strip() == parts[-1]:
            separator = LISTS[separator]  # names follow
        vague = sum(cover.vague for cover in covers)
        return Cover(left, 0, vague, separator.join(cover.text for cover in covers))


def _parts(text: str) -> tuple[str, str, str]:
    """What stands before a text, the text, and what stands behind it."""
    found = _EDGES.fullmatch(text)
    return (found[1], found[2], found[3]) if found else ("", text, "")


def _unchanged(text: str) -> Cover:
    return Cover(_letters(text), 0, 0, text)


def _small(text: str) -> str:
    """The text as in the middle of a sentence: without the capital at its begin."""
    return text[:1].lower() + text[1:]


def _edge(text: str) -> str:
    """What joins a text to others, in Chinese."""
    for separator, ours in SEPARATORS.items():
        text = text.replace(separator, ours)
    return text.replace(",", "，").replace(";", "；").replace(":", "：")


def _split(text: str, separator: str) -> tuple[str, str] | None:
    """The text before and behind the first such separator that is not within brackets."""
    at = text.find(separator)
    while at >= 0:
        if text.count("(", 0, at) == text.count(")", 0, at):
            return text[:at], text[at + len(separator) :]
        at = text.find(separator, at + 1)
    return None


def _joints(text: str) -> int:
    return sum(text.count(separator) for separator in SEPARATORS)


def _letters(text: str) -> int:
    """How many letters words of a language have in it; names and commands are none."""
    return sum(len(word) for word in _WORD.findall(_COMMAND.sub("", text)))

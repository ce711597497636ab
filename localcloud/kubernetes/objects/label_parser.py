"""The text of label selectors, such as `a=b,c!=d,e in (f,g),h,!i,j>5`."""

import re
from dataclasses import dataclass

from localcloud.kubernetes.objects.failures import quoted
from localcloud.kubernetes.objects.names import label_key, label_value

_TOKENS = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+|$)")
_SIGNS = frozenset(("", "==", "!=", "=", "!", "<", ">", "(", ")", ","))
_OPERATORS = {
    "in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt",
}  # fmt: skip


class BadSelector(ValueError):
    """The selector's text is invalid."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on labels, with the operators of `matchExpressions`.

    One of `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` and `Lt`; the last two have one value.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()


def parse_requirements(text: str) -> list[Requirement]:
    """Read a selector; empty text has no requirements.

    Raises:
        BadSelector: the text is invalid; the message has the unexpected token.
    """
    parser = _Parser(text)
    found: list[Requirement] = []
    while parser.next:
        if parser.next in _SIGNS and parser.next != "!":
            raise BadSelector(f"found '{parser.next}', expected: !, identifier, or 'end of string'")
        try:
            found.append(parser.requirement())
        except BadSelector as error:
            raise BadSelector(f"unable to parse requirement: {error}") from error
        if parser.next not in ("", ","):
            raise BadSelector(f"found '{parser.next}', expected: ',' or 'end of string'")
        if parser.take() and parser.next in _SIGNS and parser.next != "!":
            raise BadSelector(f"found '{parser.next}', expected: identifier after ','")
    return found


class _Parser:
    """Reads a text token by token; the token after the last one is empty."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKENS.finditer(text)]

    @property
    def next(self) -> str:
        return self._tokens[0]

    def take(self) -> str:
        return self._tokens.pop(0) if self._tokens[0] else ""

    def requirement(self) -> Requirement:
        absent = self.next == "!" and bool(self.take())
        key = self._identifier()
        _check("<nil>", key, "; ".join(label_key(key)))
        if absent or self.next in ("", ","):
            return Requirement(key, "DoesNotExist" if absent else "Exists")
        operator = self.take()
        if operator not in _OPERATORS:
            raise BadSelector(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in ("in", "notin") else {self._exact_value()}
        for index, value in enumerate(sorted(values)):
            if operator in "<>" and not value.lstrip("-").isdecimal():
                text = "for 'Gt', 'Lt' operators, the value must be an integer"
                _check(f"values[{index}]", value, text)
            _check(f"values[{index}][{key}]", value, "; ".join(label_value(value)))
        return Requirement(key, _OPERATORS[operator], frozenset(values))

    def _identifier(self) -> str:
        token = self.take()
        if token in _SIGNS:
            raise BadSelector(f"found '{token}', expected: identifier")
        return token

    def _exact_value(self) -> str:
        return "" if self.next in ("", ",") else self._identifier()

    def _values(self) -> set[str]:
        opening = self.take()
        if opening != "(":
            raise BadSelector(f"found '{opening}' expected: '('")
        if self.next in _SIGNS and self.next not in (",", ")"):
            raise BadSelector(f"found '{self.next}', expected: ',', ')' or identifier")
        values = {self._listed_value()}
        while self.next == ",":
            self.take()
            values.add(self._listed_value())
        if self.next != ")":
            raise BadSelector(f"found '{self.next}', expected: ',' or ')'")
        self.take()
        return values

    def _listed_value(self) -> str:
        """Read one value of a list, which may be empty."""
        return "" if self.next in (",", ")") else self._identifier()


def _check(field: str, value: str, texts: str) -> None:
    if texts:
        raise BadSelector(f"{field}: Invalid value: {quoted(value)}: {texts}")

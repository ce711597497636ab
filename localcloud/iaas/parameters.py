"""The parameters of one request: flat names such as `rules.1.protocol`, read with types.

Unused names are ignored, because every client sends some. An empty value counts as absent (the
command line client sends `hostname=` and `cpu_max=0` for options that were not given), except for
`given`.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Self

from localcloud.iaas.errors import BadParameter, MissingParameter

# Stricter than int(), which accepts underscores and all scripts. The length bounds the work.
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def is_port(text: str, low: int = 1) -> bool:
    return bool(INTEGER.fullmatch(text)) and low <= int(text) <= 65535


class Parameters:
    """Typed access to the parameters of one request, or of one item of a list in it."""

    def __init__(self, values: Mapping[str, str], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Build from the decoded pairs of a query or a form; the last of equal names counts."""
        return cls(dict(pairs))

    def given(self, name: str) -> bool:
        """Return whether the name was sent, also with an empty value."""
        return self._prefix + name in self._values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(self._prefix + name, "") or default

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise MissingParameter(self._prefix + name)
        return value

    def choice(self, name: str, allowed: Collection[str], default: str = "") -> str:
        """Return one of the allowed words; without a default the parameter is required."""
        value = self.text(name, default) if default else self.required_text(name)
        if value not in allowed:
            raise self._invalid(name, f"should be one of {', '.join(sorted(allowed))}")
        return value

    def integer(self, name: str, default: int, *, low: int = 0, high: int = 2**31 - 1) -> int:
        value = self.text(name)
        if not value:
            return default
        if not INTEGER.fullmatch(value):
            raise self._invalid(name, "should be an integer")
        number = int(value)
        if not low <= number <= high:
            raise self._invalid(name, f"should be from {low} to {high}")
        return number

    def required_integer(self, name: str, *, low: int = 0, high: int = 2**31 - 1) -> int:
        self.required_text(name)
        return self.integer(name, 0, low=low, high=high)

    def flag(self, name: str, default: bool = False) -> bool:
        return self.integer(name, int(default), low=0, high=1) == 1

    def network(self, name: str) -> ipaddress.IPv4Network:
        try:
            return ipaddress.IPv4Network(self.required_text(name))
        except ValueError:
            raise self._invalid(name, "should be a network such as 192.168.1.0/24") from None

    def texts(self, name: str) -> list[str]:
        """Return `name.1`, `name.2` …, in order, gaps allowed, empty ones left out."""
        found = [(index, self.text(f"{name}.{key}")) for index, key in self._indices(name)]
        return [value for _, value in sorted(found) if value]

    def required_texts(self, name: str) -> list[str]:
        values = self.texts(name)
        if not values:
            raise MissingParameter(self._prefix + name)
        return values

    def required_items(self, name: str) -> list["Parameters"]:
        """Return the dicts `name.1.…`, `name.2.…` of a list that must not be empty."""
        indices = sorted(set(self._indices(name)))
        if not indices:
            raise MissingParameter(self._prefix + name)
        return [Parameters(self._values, f"{self._prefix}{name}.{key}.") for _, key in indices]

    def _indices(self, name: str) -> list[tuple[int, str]]:
        """Find the numbers after `name.`: as integers for the order, as sent for the look-up."""
        prefix = f"{self._prefix}{name}."
        keys = (key[len(prefix) :].split(".")[0] for key in self._values if key.startswith(prefix))
        return [(int(key), key) for key in keys if key.isascii() and key.isdigit()]

    def _invalid(self, name: str, rule: str) -> BadParameter:
        return BadParameter(f"parameter [{self._prefix}{name}] {rule}")

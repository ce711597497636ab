"""Validation of replies, field by field, so that unexpected values do not leave this package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from domain.kernel.errors import ClusterError, FinalError

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Item:
    """A JSON object of a reply.

    A field that is missing, null or of another type is an error, except for the `optional_`
    getters. The error names action and field, never the content: replies may hold passwords.

    Attributes:
        where: action and place, for messages.
        error: the class of the error. After a change it is `UnknownOutcome`, because the cloud
            has accepted the call although its reply cannot be used.
        lag: of the cloud's clock behind ours.
    """

    where: str
    data: Mapping[str, Any] = field(repr=False)
    error: type[ClusterError] = FinalError
    lag: timedelta = timedelta()

    def text(self, name: str) -> str:
        """Read a text that must not be empty, such as an id or a status."""
        value = self.data.get(name)
        if isinstance(value, str) and value:
            return value
        raise self._wrong(name, "a text")

    def optional_text(self, name: str, default: str = "") -> str:
        """Read a text that may be absent, null or empty."""
        return self.text(name) if self.data.get(name) not in (None, "") else default

    def number(self, name: str) -> int:
        """Read a whole number; some replies write it as text."""
        value = self.data.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isdecimal():
            return int(value)
        raise self._wrong(name, "a number")

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if self.data.get(name) not in (None, "") else None

    def flag(self, name: str) -> bool:
        """Read 0 or 1."""
        value = self.data.get(name)
        if value in (0, 1):
            return bool(value)
        raise self._wrong(name, "0 or 1")

    def optional_flag(self, name: str) -> bool:
        return self.data.get(name) is not None and self.flag(name)

    def moment(self, name: str) -> datetime:
        """Read a moment such as `2013-08-30T05:13:32Z`, and convert it to our clock."""
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise self._wrong(name, "a moment in UTC") from error
        if moment.tzinfo is None:
            raise self._wrong(name, "a moment in UTC")
        return moment + self.lag

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self.data.get(name)
        if isinstance(value, list) and all(isinstance(text, str) for text in value):
            return tuple(value)
        raise self._wrong(name, "a list of texts")

    def optional_texts(self, name: str) -> tuple[str, ...]:
        return self.texts(name) if self.data.get(name) is not None else ()

    def first(self, name: str) -> str:
        """Read the first text of a list, such as the id of the created resource."""
        texts = self.texts(name)
        if not texts or not texts[0]:
            raise self._wrong(name, "a list with an id")
        return texts[0]

    def items(self, name: str) -> list["Item"]:
        """Read a list of objects. An absent list is an error: it does not mean an empty one."""
        value = self.data.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(name, "a list of objects")
        return [
            Item(f"{self.where} {name}[{index}]", item, self.error, self.lag)
            for index, item in enumerate(value)
        ]

    def optional_items(self, name: str) -> list["Item"]:
        return self.items(name) if self.data.get(name) is not None else []

    def optional_item(self, name: str) -> "Item":
        """Read a nested object; one without fields where it is absent or null."""
        value = self.data.get(name)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Item(f"{self.where} {name}", value or {}, self.error, self.lag)

    def word(self, name: str, words: type[Word]) -> Word:
        """Read a word of a documented list."""
        text = self.text(name)
        try:
            return words(text)
        except ValueError as error:
            raise self.error(
                f"{self.where}: {name} is {text!r}, a word that this version does not know."
            ) from error

    def _wrong(self, name: str, wanted: str) -> ClusterError:
        return self.error(f"{self.where}: {name} should be {wanted}; the reply cannot be used.")

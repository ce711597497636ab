"""The base of clients that keep connections open."""

from abc import ABC, abstractmethod
from typing import Self


class Closable(ABC):
    """A client to be closed, or used as a context manager that closes it."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections; may be repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Loading of saved blocks."""

from typing import TypeVar, cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound

AnyBlock = TypeVar("AnyBlock", bound=Block)


def load_block(kind: type[AnyBlock], name: str) -> AnyBlock | None:
    """Load the block of this name from the Prefect server. Returns: None where none is saved."""
    try:
        # Outside an event loop, as here, `load` returns the block and not a coroutine.
        return cast(AnyBlock, kind.load(name))
    except (ValueError, ObjectNotFound):
        return None

"""Registering our kinds of blocks on a Prefect server that was started without this package."""

from prefect.client.orchestration import get_client

from blocks.kinds import KINDS


def register_kinds(*, anew: bool = False) -> None:
    """Register our kinds of blocks on the Prefect server; known ones are not changed.

    Args:
        anew: update known ones as well, which takes some calls for each.
    """
    known = set[str]()
    if not anew:
        with get_client(sync_client=True) as client:
            known = {kind.slug for kind in client.read_block_types()}
    for kind in KINDS:
        if kind._block_type_slug not in known:
            kind.register_type_and_schema()

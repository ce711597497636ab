"""How a Prefect server that was started without this package gets to know our kinds of blocks."""

from prefect.client.orchestration import get_client

from blocks.kinds import KINDS


def register_kinds(*, anew: bool = False) -> None:
    """Let the Prefect server's UI offer our kinds of blocks; those that it knows are left as is.

    Args:
        anew: bring those that it knows up to date, too, which takes some calls for each.
    """
    known = set[str]()
    if not anew:
        with get_client(sync_client=True) as client:
            known = {kind.slug for kind in client.read_block_types()}
    for kind in KINDS:
        if kind._block_type_slug not in known:
            kind.register_type_and_schema()

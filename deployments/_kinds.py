"""Registering our kinds of blocks on a Prefect server that was started without this package."""

from prefect.client.orchestration import get_client
from pydantic import HttpUrl

from blocks.kinds import KINDS


def register_kinds(*, anew: bool = False) -> None:
    """Register our kinds of blocks on the Prefect server; known ones only for another logo.

    Args:
        anew: update known ones as well, which takes some calls for each.
    """
    known = dict[str, HttpUrl | None]()
    if not anew:
        with get_client(sync_client=True) as client:
            known = {kind.slug: kind.logo_url for kind in client.read_block_types()}
    for kind in KINDS:
        slug = str(kind._block_type_slug)
        if slug not in known or known[slug] != kind._logo_url:
            kind.register_type_and_schema()

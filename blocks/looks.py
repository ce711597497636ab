"""How our kinds of blocks look in the Prefect UI.

Prefect takes a logo as an http(s) URL; its client refuses a data URL wherever it reads a kind. So
the logos of this package are served by the server that `make server` starts, beside its UI, and
need no internet. Another server does not have the files: there the kinds have Prefect's own icon.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import ClassVar, cast

from prefect.settings import PREFECT_API_URL
from pydantic import HttpUrl

from blocks.prefect_server import noted_logos

LOGOS: Traversable = files("blocks") / "logos"
"""One square PNG for each kind, named by its slug."""


class _LogoUrl:
    def __get__(self, block: object, kind: type) -> HttpUrl | None:
        slug = getattr(kind, "_block_type_slug", None)
        place = noted_logos(PREFECT_API_URL.value() or "")
        return HttpUrl(f"{place}/{slug}.png") if place and slug else None


class WithLogo:
    """Gives a kind of block the logo of its slug, at the Prefect server that is in use."""

    _logo_url: ClassVar[HttpUrl | None] = cast(HttpUrl | None, _LogoUrl())

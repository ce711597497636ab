"""The flags of `demo`."""

from dataclasses import dataclass

from cyclopts import Parameter

from flows._cli.flags.common import Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Run the nginx demo and fetch its page through the API server."""

    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("demo", Flags)

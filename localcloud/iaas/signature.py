"""Signature version 1: authenticates a request and its parameters.

The signature is verified over a canonical re-encoding of the decoded parameters, never over the
raw query: public clients differ in how they encode, not in what they sign.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from localcloud.iaas.errors import AuthFailure, BadParameter, MissingParameter, RequestExpired

DIGESTS = {"HmacSHA1": hashlib.sha1, "HmacSHA256": hashlib.sha256}
LONGEST_AGE = timedelta(seconds=60)
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Account:
    """The one user of a local cloud."""

    key_id: str
    secret: str = field(repr=False)
    user_id: str = "usr-localcld"


def sign(verb: str, path: str, pairs: Pairs, secret: str, *, unescaped: str = "") -> str:
    """Compute the base64 signature of a request; a `signature` among the pairs is left out."""
    query = "&".join(
        f"{quote(name, safe=unescaped)}={quote(value, safe=unescaped)}"
        for name, value in sorted(pairs, key=lambda pair: (pair[0].encode(), pair[1].encode()))
        if name != "signature"
    )
    method = dict(pairs).get("signature_method", "HmacSHA256")
    text = f"{verb}\n{path}\n{query}"
    digest = hmac.new(secret.encode(), text.encode(), DIGESTS[method]).digest()
    return base64.b64encode(digest).decode()


def verify(verb: str, path: str, pairs: Pairs, account: Account, now: datetime) -> None:
    """Check that a request was signed with the account's secret within the last minute.

    Raises:
        MissingParameter: a parameter of every request is absent.
        AuthFailure: unknown key, unknown method, or a signature that does not match.
        RequestExpired: signed too long ago, or its own `expires` has passed.
    """
    pairs = list(pairs)
    values = dict(pairs)
    for name in ("access_key_id", "signature", "signature_method", "time_stamp"):
        if not values.get(name):
            raise MissingParameter(name)
    if values["access_key_id"] != account.key_id:
        raise AuthFailure(f"illegal access key [{values['access_key_id']}]")
    if values["signature_method"] not in DIGESTS:
        raise AuthFailure(f"signature method [{values['signature_method']}] is not supported")
    # One of the vendor's own samples leaves the slash as it is in a form.
    spellings = ("", "/") if verb == "POST" else ("",)
    expected = [sign(verb, path, pairs, account.secret, unescaped=s) for s in spellings]
    if not any(hmac.compare_digest(values["signature"].encode(), e.encode()) for e in expected):
        raise AuthFailure("signature not matched")
    if now - _moment(values, "time_stamp") > LONGEST_AGE:
        raise RequestExpired(f"time_stamp [{values['time_stamp']}] is more than 60 s old")
    if values.get("expires") and now > _moment(values, "expires"):
        raise RequestExpired(f"expires [{values['expires']}] has passed")


def _moment(values: dict[str, str], name: str) -> datetime:
    try:
        return datetime.strptime(values[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise BadParameter(f"parameter [{name}] should look like 2013-08-27T14:30:10Z") from None

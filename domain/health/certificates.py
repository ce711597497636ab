"""For how long are the certificates of the control plane valid?"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.kernel.errors import FinalError

SOON, AT_ONCE = timedelta(days=30), timedelta(days=7)
"""As the alarm `certificate-expiry` has them."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A certificate, where it is, and its end; None where its file is missing."""

    name: str
    where: str
    ends: datetime | None


OPTIONAL = ("super-admin.conf",)
"""Files that only the first master has, and that may be removed."""


def parse_expiries(text: str, where: str) -> tuple[Expiry, ...]:
    """Read what `kubeadm certs check-expiration -o json` says.

    Raises:
        FinalError: it is not in kubeadm's form.
    """
    try:
        document = json.loads(text)
        rows = (*document["certificates"], *document["certificateAuthorities"])
        found = [Expiry(row["name"], where, _end(row.get("expirationDate"))) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise FinalError(f"kubeadm certs check-expiration is not understood: {error}") from error
    return tuple(one for one in found if one.ends is not None or one.name not in OPTIONAL)


def _end(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def check_certificates(expiries: Sequence[Expiry], now: datetime) -> Finding:
    """Check the first end of all."""
    if missing := [one for one in expiries if one.ends is None]:
        names = ", ".join(f"{one.name} on {one.where}" for one in missing[:3])
        return trouble(Subject.CERTIFICATES, f"files are missing: {names}")
    known = [(one.ends, one) for one in expiries if one.ends is not None]
    if not known:
        return trouble(Subject.CERTIFICATES, "none was found")
    ends, first = min(known, key=lambda pair: pair[0])
    left = ends - now
    words = f"{first.name} on {first.where} ends on {ends:%Y-%m-%d}, in {left.days} days"
    action = "Renew them with: python -m flows.maintain"
    if left < timedelta():
        return trouble(Subject.CERTIFICATES, f"{first.name} on {first.where} has ended", action)
    if left < AT_ONCE:
        return trouble(Subject.CERTIFICATES, words, action)
    if left < SOON:
        return warning(Subject.CERTIFICATES, words, action)
    return well(Subject.CERTIFICATES, f"{len(known)} valid, the first one for {left.days} days")

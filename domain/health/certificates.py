"""For how long are the certificates of the control plane valid?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.health.findings import Finding, Subject, trouble, warning, well
from domain.node.certificates import WARN_BEFORE, Certificate, MasterCertificates

AT_ONCE = timedelta(days=7)
"""As the alarm `certificate-expiry` has it for an error."""


def check_certificates(masters: Sequence[MasterCertificates], now: datetime) -> Finding:
    """Check the first end of all, and whether a renewal was cut off."""
    known = [one for master in masters for one in master.certificates]
    if not known:
        return trouble(Subject.CERTIFICATES, "none was found")
    first = min(known, key=lambda one: one.ends)
    if first.ends - now < WARN_BEFORE:
        is_urgent = first.ends - now < AT_ONCE
        when = f"ends in {first.days(now)} days" if first.ends > now else "has ended"
        words = f"{first.name} on {first.node} {when}"
        return (trouble if is_urgent else warning)(Subject.CERTIFICATES, words, _remedy(first))
    if unfinished := [master.node for master in masters if master.is_unfinished]:
        words = f"renewed on {', '.join(unfinished)}, and not used there yet"
        return warning(Subject.CERTIFICATES, words, "Finish it with: python -m flows.maintain")
    words = f"{len(known)} valid, the first one for {first.days(now)} days"
    return well(Subject.CERTIFICATES, words)


def _remedy(certificate: Certificate) -> str:
    if certificate.is_renewed_here:
        return "Renew it with: python -m flows.maintain"
    return "" if certificate.is_authority else "Look there with: journalctl -u kubelet"

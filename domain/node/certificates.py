"""The certificates of a master's control plane: until when they are valid, and their renewal."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.kernel.errors import InvalidSpec
from domain.node.install import check
from domain.node.shell import Shell

RENEW_BEFORE = timedelta(days=45)
"""Certificates that end sooner are renewed, so that nobody is warned of one that will be."""

WARN_BEFORE = timedelta(days=30)
"""As the alarm `certificate-expiry` has it."""

KUBELET = "kubelet"
DEADLINE = 60.0

# kubeadm does not list the kubelet's certificate, which kubelet renews by itself.
_READ = """\
set -euo pipefail
kubeadm certs check-expiration -o json
echo
openssl x509 -in "${SYSROOT:-}/var/lib/kubelet/pki/kubelet-client-current.pem" -noout -enddate
[[ ! -e ${SYSROOT:-}/var/lib/k8s-installer/renewing ]] || echo RENEWING
"""
_END = "notAfter="


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on a master.

    Attributes:
        name: as `kubeadm certs renew` has it; `kubelet` for the kubelet's.
        is_authority: it signs others, and is not renewed here.
    """

    name: str
    node: str
    ends: datetime
    is_authority: bool = False

    def days(self, now: datetime) -> int:
        return (self.ends - now).days

    @property
    def is_renewed_here(self) -> bool:
        return not self.is_authority and self.name != KUBELET


@dataclass(frozen=True, slots=True)
class MasterCertificates:
    """What a master holds. `is_unfinished`: renewed by a run that was cut off, and not used yet."""

    node: str
    certificates: tuple[Certificate, ...]
    is_unfinished: bool = False


def read_certificates(shell: Shell, node: str) -> MasterCertificates:
    """Read the ends of a master's certificates. Raises `CommandFailed`.

    A second master has no `super-admin.conf`; what is missing is left out.
    """
    done = shell.run(["bash", "-c", _READ], deadline=DEADLINE)
    check(done.exit_code, f"the certificates of {node}", done.stderr)
    document, end = json.JSONDecoder().raw_decode(done.stdout.lstrip())
    found = [
        Certificate(row["name"], node, _moment(row["expirationDate"]), is_authority)
        for part, is_authority in (("certificates", False), ("certificateAuthorities", True))
        for row in document[part]
        if row.get("expirationDate") and not row.get("missing")
    ]
    rest = done.stdout.lstrip()[end:].splitlines()
    for line in rest:
        if line.startswith(_END):
            ends = datetime.strptime(line.removeprefix(_END), "%b %d %H:%M:%S %Y GMT")
            found.append(Certificate(KUBELET, node, ends.replace(tzinfo=UTC)))
    return MasterCertificates(node, tuple(found), "RENEWING" in rest)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def choose_renewed(
    held: MasterCertificates, now: datetime, asked: Sequence[str] = ()
) -> tuple[Certificate, ...]:
    """The certificates of a master that are renewed: those that were asked for, or that end soon.

    Args:
        asked: names; `all` for each of them.
    """
    ours = [one for one in held.certificates if one.is_renewed_here]
    if "all" in asked:
        return tuple(ours)
    if asked:
        return tuple(one for one in ours if one.name in asked)
    return tuple(one for one in ours if one.ends - now < RENEW_BEFORE)


def check_names(asked: Iterable[str], known: Sequence[Certificate]) -> None:
    """Refuse names that cannot be renewed, an authority's with the reason. Raises `InvalidSpec`."""
    by_name = {one.name: one for one in known}
    for name in asked:
        found = by_name.get(name)
        if name == "all" or (found and found.is_renewed_here):
            continue
        if found and found.is_authority:
            raise InvalidSpec(
                f"{name} is an authority of the cluster and is not rotated: every machine and "
                f"every kubeconfig trusts it. It ends on {found.ends:%Y-%m-%d}; until then, create "
                "a second cluster and move"
            )
        if name == KUBELET:
            raise InvalidSpec("the certificate of a kubelet is renewed by the kubelet itself")
        names = ", ".join(sorted(one.name for one in by_name.values() if one.is_renewed_here))
        raise InvalidSpec(f"there is no certificate {name!r}; known are all, {names}")


def describe_ends(certificates: Sequence[Certificate], now: datetime) -> Iterator[str]:
    """One line about all, and one about each that ends within a month."""
    if not certificates:
        return
    first = min(certificates, key=lambda one: one.ends)
    yield (
        f"{len(certificates)} certificates on the masters, the first ends in {first.days(now)} "
        f"days: {first.name} on {first.node}"
    )
    for one in sorted(certificates, key=lambda one: (one.ends, one.name, one.node)):
        if one.ends - now >= WARN_BEFORE:
            break
        left = one.days(now)
        when = f"ends in {left} days" if one.ends > now else "has ended"
        yield f"{one.name} on {one.node} {when}{_remedy(one)}"


def _remedy(certificate: Certificate) -> str:
    if certificate.is_authority:
        return ", and is not renewed: create a second cluster and move"
    if certificate.name == KUBELET:
        return "; look why its kubelet does not renew it: journalctl -u kubelet"
    return "; renew it with: python -m flows.maintain"

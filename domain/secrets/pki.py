"""Keys and certificates, generated on our side before any machine exists.

Private parts never appear in a `repr`, so that no log line or error text can hold them. The time is
a parameter; certificates begin a little earlier, because the machines' clocks differ from ours.
"""

import hashlib
import ipaddress
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADMINS = "kubeadm:cluster-admins"
"""The group that kubeadm binds to cluster-admin; unlike system:masters it can be revoked."""

CLOCK_SKEW = timedelta(hours=1)
CA_VALIDITY = timedelta(days=3650)
TOKEN_ALPHABET = string.ascii_lowercase + string.digits
TOKEN_MARK = "k8sq"  # noqa: S105 - the public part
"""The begin of the ids of our join tokens, by which a later run finds those of a killed one."""


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SshKeyPair:
    """An ed25519 pair: the private half as OpenSSH PEM, the public half as one line."""

    public_key: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """A join token in kubeadm's format: six characters, a dot, sixteen characters.

    The first part is an id that may be shown; the whole is a secret.
    """

    value: str = field(repr=False)

    @property
    def id(self) -> str:
        return self.value.partition(".")[0]


def make_cluster_ca(now: datetime) -> CertifiedKey:
    """Generate the cluster's certificate authority, valid for ten years, as kubeadm does."""
    key = generate_private_key(SECP256R1())
    builder = (
        _builder(_name("kubernetes"), key.public_key(), now, CA_VALIDITY)
        .issuer_name(_name("kubernetes"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
    )
    return CertifiedKey(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def ca_hash(certificate: str) -> str:
    """Hash a CA's public key as `kubeadm join` checks it. Returns: `sha256:` and 64 hex digits."""
    public_key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(spki).hexdigest()


def make_client_certificate(
    ca: CertifiedKey, name: str, group: str, now: datetime, validity: timedelta
) -> CertifiedKey:
    """Make a client certificate that authenticates its holder as user `name` in `group`.

    It cannot be revoked, so `validity` should be as short as its use allows.
    """
    subject = _name(name, organization=group)
    return _sign(ca, subject, (), ExtendedKeyUsageOID.CLIENT_AUTH, now, validity)


def make_server_certificate(
    ca: CertifiedKey, names: Sequence[str], now: datetime, validity: timedelta
) -> CertifiedKey:
    """Make a certificate for a server behind all of `names`: DNS names or IP addresses.

    The first one is the common name.
    """
    return _sign(ca, _name(names[0]), names, ExtendedKeyUsageOID.SERVER_AUTH, now, validity)


def serves(
    certificate: str, public_key: str, ca: str, names: Sequence[str], until: datetime
) -> bool:
    """Whether a certificate, with this public key, is of the CA and for all names until then.

    A text that is no certificate serves nothing.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.encode()))
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    shown = found.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (
        shown.decode().strip() == public_key.strip()
        and all(_general_name(name) in named for name in names)
        and found.not_valid_after_utc > until
    )


@dataclass(frozen=True, slots=True)
class CertificateKey:
    """The key that encrypts the keys which all masters share, 64 hex digits."""

    value: str = field(repr=False)


def make_bootstrap_token() -> BootstrapToken:
    """Generate a join token from the system's random source."""
    return BootstrapToken(f"{TOKEN_MARK}{_draw(2)}.{_draw(16)}")


def make_certificate_key() -> CertificateKey:
    """Generate the key under which masters share their keys, for one run."""
    return CertificateKey(secrets.token_hex(32))


def make_ssh_keypair(comment: str = "") -> SshKeyPair:
    """Generate an ed25519 key pair, for logging in or as a host key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return SshKeyPair(f"{public} {comment}".strip(), private)


def _sign(
    ca: CertifiedKey,
    subject: x509.Name,
    names: Sequence[str],
    usage: x509.ObjectIdentifier,
    now: datetime,
    validity: timedelta,
) -> CertifiedKey:
    ca_certificate = x509.load_pem_x509_certificate(ca.certificate.encode())
    ca_key = load_pem_private_key(ca.key.encode(), password=None)
    assert isinstance(ca_key, EllipticCurvePrivateKey)
    key = generate_private_key(SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = (
        _builder(subject, key.public_key(), now, validity)
        .issuer_name(ca_certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(issuer, critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return CertifiedKey(_pem(builder.sign(ca_key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: x509.Name, key: EllipticCurvePublicKey, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _draw(length: int) -> str:
    return "".join(secrets.choice(TOKEN_ALPHABET) for _ in range(length))

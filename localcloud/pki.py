"""The certificates and kubeconfig files of kubeadm."""

import base64
import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
LEAF_VALIDITY = timedelta(days=365)
_SKEW = timedelta(minutes=5)  # for clocks of other machines that are slightly behind

CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey


class BadAuthority(ValueError):
    """The CA's files cannot be used."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(now: datetime, common_name: str = "kubernetes") -> Pair:
    """Return a new CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate.public_bytes(Encoding.PEM), _pem(key))


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=not signs, key_cert_sign=signs, crl_sign=signs,
        content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def make_signing_key() -> Pair:
    """Return a key for service accounts: its public half takes the certificate's place."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Pair(public, _pem(key))


def read_authority(folder: Path, name: str = "ca") -> Pair | None:
    """Read a CA's certificate and key; return None when there is no certificate.

    Raises:
        BadAuthority: one of them is missing or invalid, or they do not match.
    """
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not certificate.exists():
        return None
    if not key.exists():
        raise BadAuthority(
            f"failure loading key for CA: couldn't load the private key file {name}.key"
        )
    pair = Pair(certificate.read_bytes(), key.read_bytes())
    try:
        public = x509.load_pem_x509_certificate(pair.certificate).public_key()
        private = _load_key(pair.key).public_key()
    except (ValueError, TypeError) as error:
        raise BadAuthority(f"failure loading certificate for CA: {error}") from error
    if public != private:
        raise BadAuthority("certificate and private key for CA do not match")
    return pair


def _load_key(pem: bytes) -> CaKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, CaKey):
        raise TypeError("the key is neither EC, RSA nor Ed25519")
    return key


def issue(
    authority: Pair,
    now: datetime,
    common_name: str,
    *,
    organizations: Iterable[str] = (),
    server_names: Iterable[str] = (),
    validity: timedelta = LEAF_VALIDITY,
) -> Pair:
    """Issue a certificate: for a server where it has names (or addresses), else for a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(dict.fromkeys(server_names))
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    ca_certificate = x509.load_pem_x509_certificate(authority.certificate)
    ca_key = _load_key(authority.key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name, organizations))
        .issuer_name(ca_certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(_authority_id(ca_certificate, ca_key), critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    algorithm = None if isinstance(ca_key, Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(ca_key, algorithm)
    return Pair(certificate.public_bytes(Encoding.PEM), _pem(key))


def issue_again(authority: Pair, now: datetime, certificate: bytes, validity: timedelta) -> Pair:
    """Issue a certificate with the subject and the names of an existing one, for a new key."""
    old = x509.load_pem_x509_certificate(certificate)
    subject = [
        [str(one.value) for one in old.subject.get_attributes_for_oid(oid)]
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    ]
    names: list[str] = []
    with suppress(x509.ExtensionNotFound):
        found = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [str(one.value) for one in found]
    return issue(
        authority,
        now,
        subject[0][0],
        organizations=subject[1],
        server_names=names,
        validity=validity,
    )


def start_of(certificate: bytes) -> datetime:
    """Return when a certificate begins."""
    return x509.load_pem_x509_certificate(certificate).not_valid_before_utc


def end_of(certificate: bytes) -> datetime:
    """Return when a certificate ends."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _authority_id(certificate: x509.Certificate, key: CaKey) -> x509.AuthorityKeyIdentifier:
    try:
        known = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known.value)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def kubeconfig(server: str, user: str, ca_certificate: bytes, credentials: dict[str, Any]) -> str:
    """Render a kubeconfig file with one cluster and one user."""
    encoded = base64.b64encode(ca_certificate).decode()
    cluster = {"certificate-authority-data": encoded, "server": server}
    context = f"{user}@kubernetes"
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": context, "context": {"cluster": "kubernetes", "user": user}}],
            "current-context": context,
        },
        sort_keys=False,
    )


def client_credentials(pair: Pair) -> dict[str, str]:
    """Return the user entry of a kubeconfig with a client certificate."""
    return {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }

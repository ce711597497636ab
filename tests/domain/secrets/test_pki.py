"""Keys and certificates: accepted by verifiers, and private parts stay private."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from domain.secrets.pki import (
    ADMINS,
    CertifiedKey,
    ca_hash,
    make_bootstrap_token,
    make_client_certificate,
    make_cluster_ca,
    make_server_certificate,
    make_ssh_keypair,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture(scope="module")
def ca() -> CertifiedKey:
    return make_cluster_ca(NOW)


def load(pair: CertifiedKey) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def verifier(ca: CertifiedKey, at: datetime) -> verification.PolicyBuilder:
    return verification.PolicyBuilder().store(verification.Store([load(ca)])).time(at)


def test_the_ca_is_valid_for_ten_years(ca: CertifiedKey) -> None:
    assert load(ca).not_valid_after_utc - NOW == timedelta(days=3650)


def test_certificates_are_valid_for_clocks_that_are_a_little_late(ca: CertifiedKey) -> None:
    certificate = load(make_client_certificate(ca, "a", "b", NOW, MONTH))
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW + MONTH


def test_the_api_server_reads_user_and_group_from_a_client_certificate(ca: CertifiedKey) -> None:
    certificate = load(make_client_certificate(ca, "kubernetes-admin", ADMINS, NOW, MONTH))
    certificate.verify_directly_issued_by(load(ca))
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    (group,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert (name.value, group.value) == ("kubernetes-admin", "kubeadm:cluster-admins")


@pytest.mark.parametrize(
    "subject", [x509.DNSName("ui.internal"), x509.IPAddress(ip_address("127.1.2.3"))]
)
def test_a_server_certificate_holds_for_each_of_its_names(ca: CertifiedKey, subject: Any) -> None:
    pair = make_server_certificate(ca, ["ui.internal", "127.1.2.3"], NOW, MONTH)
    check = verifier(ca, NOW + timedelta(days=1)).build_server_verifier(subject)
    assert check.verify(load(pair), [])


def test_a_server_certificate_holds_for_no_other_name_and_no_other_ca(ca: CertifiedKey) -> None:
    pair = make_server_certificate(ca, ["ui.internal"], NOW, MONTH)
    elsewhere = verifier(ca, NOW).build_server_verifier(x509.DNSName("other.internal"))
    other = verifier(make_cluster_ca(NOW), NOW).build_server_verifier(x509.DNSName("ui.internal"))
    for check in (elsewhere, other):
        with pytest.raises(verification.VerificationError):
            check.verify(load(pair), [])


def test_the_ca_hash_is_the_one_that_kubeadm_computes() -> None:
    # Worked out with: openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum
    certificate = """-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIUeJAPtgYBm6e8LULrgYZcMn78N78wCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKa3ViZXJuZXRlczAeFw0yNjExMjMwMzU1MDBaFw0zNjExMjAw
NDAwMDBaMBUxEzARBgNVBAMMCmt1YmVybmV0ZXMwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARiLDWpspXfMs5kU5xXy5IoCVVEAukXF3iYgI/UfgL9wdwoZDJR5Ve/
JcXvu/MmLtImnBZxFPi2zk3lZVdEuYyno1kwVzAdBgNVHQ4EFgQUdHLMtDJR3p3e
XExqyFiX+WaUX7IwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAqQwFQYD
VR0RBA4wDIIKa3ViZXJuZXRlczAKBggqhkjOPQQDAgNIADBFAiEA2iI9AAJ9CrWE
NmNFauR5Uyjg8T5UrAotIqPT9+fezOsCIEIJUVv6q3yO3wXKMjeIhbkl+mxMTFai
GsgvrISQu+sO
-----END CERTIFICATE-----
"""
    assert (
        ca_hash(certificate)
        == "sha256:05b5f91602ebdbd41a7b2c74f91e1f887fd9c6f210e49dca07850c1d45b8c718"
    )


def test_join_tokens_have_kubeadms_form_and_are_new_each_time() -> None:
    tokens = {make_bootstrap_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token.value) for token in tokens)
    assert all(token.value.startswith(f"{token.id}.") for token in tokens)


def test_ssh_keys_are_a_pair_in_openssh_form() -> None:
    pair = make_ssh_keypair("k8s.demo.key")
    kind, encoded, comment = pair.public_key.split(" ")
    private = load_ssh_private_key(pair.private_key.encode(), password=None)
    from_private = make_public_line(private)
    assert (kind, comment) == ("ssh-ed25519", "k8s.demo.key")
    assert from_private == f"{kind} {encoded}"


def make_public_line(private: Any) -> str:
    line: bytes = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return line.decode()


def test_private_parts_never_appear_in_a_repr(ca: CertifiedKey) -> None:
    ssh, token = make_ssh_keypair(), make_bootstrap_token()
    shown = repr([ca, ssh, token])
    assert "PRIVATE KEY" not in shown
    assert token.value not in shown
    assert token.value.partition(".")[2] not in shown

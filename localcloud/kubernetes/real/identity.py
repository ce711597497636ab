"""Keys, certificates and their files, which only their owner may read."""

import os
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from localcloud import pki
from localcloud.kubernetes.access.users import User
from localcloud.kubernetes.plane import PlaneConfig

EVERYBODY = "system:authenticated"
"""The group that the API server itself adds."""


def issue(config: PlaneConfig, user: User, now: datetime) -> pki.Pair:
    """Issue a client certificate for a user of a cluster."""
    authority = pki.Pair(config.ca_certificate, config.ca_key)
    groups = [group for group in user.groups if group != EVERYBODY]
    return pki.issue(authority, now, user.name, organizations=groups)


def make_signing_key() -> bytes:
    """Return a new key to sign the tokens of ServiceAccounts, PEM."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that is private from its creation on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)

"""Sealing a file with a pass phrase: AES-256-GCM over chunks, the key by scrypt.

Each chunk's nonce holds its number and whether it is the last one, so that none can be left out,
doubled or moved. The label is authenticated with each chunk.
"""

import os
import struct
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from domain.kernel.errors import BadRequest

MAGIC = b"k8s-qingcloud backup 1\n"
CHUNK = 1024 * 1024
SALT, PREFIX, TAG = 16, 7, 16

LEAST = 12
"""Characters of a pass phrase: a stolen backup can be tried for years."""

_COST = {"n": 2**16, "r": 8, "p": 1}
"""64 MiB and a fifth of a second for each attempt."""


class WrongPassPhrase(BadRequest):
    """The pass phrase is missing, too short, or does not fit; nothing was read."""


def check_pass_phrase(phrase: str) -> bytes:
    """Check a new pass phrase. Returns: its bytes. Raises `WrongPassPhrase`."""
    if len(phrase) < LEAST:
        raise WrongPassPhrase(
            f"the pass phrase has fewer than {LEAST} characters; a backup holds every secret of "
            "the cluster"
        )
    return phrase.encode()


def seal(source: BinaryIO, target: BinaryIO, phrase: str, bound: bytes) -> None:
    """Encrypt a file.

    Args:
        bound: what is authenticated with it and stays readable.
    """
    salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
    cipher = AESGCM(_key(check_pass_phrase(phrase), salt))
    target.write(MAGIC + salt + prefix)
    number, chunk = 0, source.read(CHUNK)
    while True:
        following = source.read(CHUNK)
        nonce = _nonce(prefix, number, is_last=not following)
        target.write(cipher.encrypt(nonce, chunk, bound))
        if not following:
            return
        number, chunk = number + 1, following


def unseal(source: BinaryIO, target: BinaryIO, phrase: str, bound: bytes) -> None:
    """Decrypt a file; what was written before an error must not be used.

    Raises:
        WrongPassPhrase: it does not fit, or the file or its label was changed.
    """
    if source.read(len(MAGIC)) != MAGIC:
        raise WrongPassPhrase("this is no sealed backup")
    salt, prefix = source.read(SALT), source.read(PREFIX)
    cipher = AESGCM(_key(phrase.encode(), salt))
    number, chunk = 0, source.read(CHUNK + TAG)
    while True:
        following = source.read(CHUNK + TAG)
        nonce = _nonce(prefix, number, is_last=not following)
        try:
            target.write(cipher.decrypt(nonce, chunk, bound))
        except InvalidTag:
            raise WrongPassPhrase(
                "the pass phrase does not fit this backup, or the backup or its label was changed; "
                "nothing was restored"
            ) from None
        if not following:
            return
        number, chunk = number + 1, following


def _key(phrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(phrase)


def _nonce(prefix: bytes, number: int, *, is_last: bool) -> bytes:
    return prefix + struct.pack(">I?", number, is_last)

"""Ed25519 seals: the journal's writer signs its checkpoints, an auditor verifies them with the public key alone."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tools.audit import message
from tools.errors import Absent, Malformed, Refused


class Seal:
    """The owner's private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.name = _raw(key.public_key())[:16]  # tells keys apart, proves nothing

    def sign(self, seq: int, digest: str) -> str:
        """Return the signature of a checkpoint, in hex."""
        return self._key.sign(message(seq, digest)).hex()


class Verifier:
    """A public key."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def __call__(self, signed: bytes, signature: bytes) -> bool:
        """Tell whether the owner signed this."""
        try:
            self._key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True


def new_key(path: Path) -> Path:
    """Write a new private key that only its owner may read, and beside it the public one; returns the latter's path."""
    key = Ed25519PrivateKey.generate()
    public = path.with_name(path.name + ".pub")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # never over an old key
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    return public


def read_seal(path: Path) -> Seal:
    """Read a private key in PEM."""
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{path}: no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(f"{path}: no Ed25519 key")
    return Seal(key)


def read_verifier(path: Path) -> Verifier:
    """Read a public key in PEM; a private one will do, for it holds the public one."""
    data = _read(path)
    try:
        key = load_pem_private_key(data, None).public_key() if b"PRIVATE" in data else load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{path}: no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Malformed(f"{path}: no Ed25519 key")
    return Verifier(key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Absent(f"{path}: there is no such key; prunella audit key makes one") from error
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _raw(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

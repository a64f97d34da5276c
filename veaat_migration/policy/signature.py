"""Signatures of policy files: Ed25519 keys as PEM files, 64 raw bytes beside each file.

Whoever trains signs with the private key; a vehicle that is given the public key plays nothing
else. The package ``cryptography`` is loaded only when a key is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veaat_migration.errors import VeaatError
from veaat_migration.policy.policy_files import (
    SIGNATURE_SUFFIX,
    make_folder,
    policy_contents,
    read_limited,
    write_file,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = [
    "SIGNATURE_SIZE",
    "SIGNATURE_SUFFIX",
    "SignatureError",
    "load_private_key",
    "load_public_key",
    "make_keys",
    "read_signature",
    "sign",
    "sign_files",
    "signature_path",
    "verify",
    "verify_files",
]

SIGNATURE_SIZE = 64
"""Bytes of a signature."""
PRIVATE_KEY, PUBLIC_KEY = "policy-signing.key", "policy-signing.pub"
"""File names of a new pair of keys."""
_MAX_KEY_SIZE = 1 << 14


class SignatureError(VeaatError):
    """A key or signature that cannot be used; the message says which, why and what to do."""


def load_private_key(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    """The key to sign with, from a PEM file without a password.

    Raises:
        SignatureError: there is no such file, it is no such key, or ``cryptography`` is missing.
    """
    ed25519, serialization = _cryptography()
    content = read_limited(Path(path), _MAX_KEY_SIZE)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise SignatureError(
            f"{path}: is protected by a password; give an unprotected copy that only this user "
            "may read"
        ) from error
    except Exception as error:  # ValueError, UnsupportedAlgorithm, ...: differs between releases
        raise SignatureError(
            f"{path}: is no private key in PEM form; 'veaat policy keygen DIR' makes one"
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignatureError(
            f"{path}: is no Ed25519 private key; 'veaat policy keygen DIR' makes one"
        )
    private: Ed25519PrivateKey = key
    return private


def load_public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """The key to check signatures with, from a PEM file.

    Raises:
        SignatureError: there is no such file, it is no such key, or ``cryptography`` is missing.
    """
    ed25519, serialization = _cryptography()
    content = read_limited(Path(path), _MAX_KEY_SIZE)
    hint = ""
    if b"PRIVATE KEY" in content:
        hint = " (this is a private key, which does not belong on a vehicle)"
    try:
        key = serialization.load_pem_public_key(content)
    except Exception as error:  # ValueError, UnsupportedAlgorithm, ...: differs between releases
        raise SignatureError(
            f"{path}: is no public key in PEM form{hint}; give the file {PUBLIC_KEY} of "
            "'veaat policy keygen'"
        ) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignatureError(
            f"{path}: is no Ed25519 public key; give the file {PUBLIC_KEY} of 'veaat policy keygen'"
        )
    public: Ed25519PublicKey = key
    return public


def sign(key: Ed25519PrivateKey, content: bytes) -> bytes:
    """Signature of a file's content, 64 bytes."""
    return key.sign(content)


def verify(key: Ed25519PublicKey, content: bytes, signature: bytes) -> None:
    """Make sure that the owner of ``key`` has signed exactly this content.

    Raises:
        SignatureError: it has not.
    """
    from cryptography.exceptions import InvalidSignature

    if not signature:
        raise SignatureError("not signed; sign it with 'veaat policy sign', or give no public key")
    if len(signature) != SIGNATURE_SIZE:
        raise SignatureError(f"signature: must have {SIGNATURE_SIZE} bytes, got {len(signature)}")
    try:
        key.verify(bytes(signature), bytes(content))
    except InvalidSignature as error:
        raise SignatureError(
            "signature: does not fit the content and this public key; the content was changed, or "
            "signed with another key"
        ) from error


def signature_path(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + SIGNATURE_SUFFIX)


def read_signature(path: Path) -> bytes:
    """Signature of a file; empty if there is none.

    Raises:
        PolicyFileError: it is there, but cannot be read, or is too large to be one.
    """
    file = signature_path(path)
    return read_limited(file, SIGNATURE_SIZE) if file.exists() else b""


def sign_files(key: Ed25519PrivateKey, path: Path) -> list[Path]:
    """Sign a policy file, or all of a bundle's folder; returns the signatures' files.

    Raises:
        PolicyFileError: a file cannot be read, or a signature not be written.
    """
    written = []
    for file, content in policy_contents(path):
        write_file(signature_path(file), sign(key, content))
        written.append(signature_path(file))
    return written


def verify_files(key: Ed25519PublicKey, path: Path) -> int:
    """Check the signature of a policy file, or of all files of a bundle; returns their number.

    Raises:
        SignatureError: one is missing or wrong.
        PolicyFileError: a file cannot be read.
    """
    contents = policy_contents(path)
    for file, content in contents:
        try:
            verify(key, content, read_signature(file))
        except SignatureError as error:
            raise SignatureError(f"{file}: {error}") from error
    return len(contents)


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Make a new pair of keys; returns the files of the private and of the public one.

    Raises:
        SignatureError: there is a key already; it cannot be made again, so none is replaced.
        PolicyFileError: the folder cannot be written.
    """
    ed25519, serialization = _cryptography()
    private, public = folder / PRIVATE_KEY, folder / PUBLIC_KEY
    for file in (private, public):
        if file.exists():
            raise SignatureError(f"{file}: exists already; choose another folder")
    make_folder(folder)
    key = ed25519.Ed25519PrivateKey.generate()
    write_file(
        private,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        mode=0o600,
    )
    write_file(
        public,
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
    return private, public


def _cryptography() -> tuple[Any, Any]:
    """The modules ed25519 and serialization."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SignatureError(
            "keys and signatures need the package cryptography: pip install cryptography, or "
            "apt install python3-cryptography"
        ) from error
    return ed25519, serialization

"""Who signs a policy is checked; a wrong key or a changed byte is an error that says so."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from artifacts import make_artifact
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from veaat_migration.policy.policy_files import (
    PolicyFileError,
    read_bundle,
    write_bundle,
    write_policy,
)
from veaat_migration.policy.signature import (
    SIGNATURE_SUFFIX,
    SignatureError,
    load_private_key,
    load_public_key,
    make_keys,
    read_signature,
    sign,
    sign_files,
    verify,
    verify_files,
)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path / "keys")


def test_what_was_signed_is_verified(keys: tuple[Path, Path]):
    private, public = load_private_key(keys[0]), load_public_key(str(keys[1]))
    signature = sign(private, b"content")

    assert len(signature) == 64
    verify(public, b"content", signature)
    for content, wrong in (
        (b"Content", signature),
        (b"content", bytes([signature[0] ^ 1]) + signature[1:]),
        (b"content", signature[:-1]),
        (b"content", signature + b"\0"),
        (b"content", b""),
    ):
        with pytest.raises(SignatureError):
            verify(public, content, wrong)


def test_another_owner_s_signature_is_refused(keys: tuple[Path, Path], tmp_path: Path):
    other = load_private_key(make_keys(tmp_path / "other")[0])
    with pytest.raises(SignatureError, match="another key"):
        verify(load_public_key(keys[1]), b"content", sign(other, b"content"))


def test_only_the_owner_reads_the_private_key_and_none_is_replaced(keys: tuple[Path, Path]):
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    before = keys[0].read_bytes()
    with pytest.raises(SignatureError, match="exists already"):
        make_keys(keys[0].parent)
    assert keys[0].read_bytes() == before


def pem(key: object, password: bytes | None = None) -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def test_what_is_no_key_is_explained(keys: tuple[Path, Path], tmp_path: Path):
    file = tmp_path / "file"
    with pytest.raises(PolicyFileError, match="No such file"):
        load_private_key(file)
    for content, message in (
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (keys[1].read_bytes(), "no private key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "no Ed25519 private key"),
        (pem(ed25519.Ed25519PrivateKey.generate(), b"secret"), "password"),
    ):
        file.write_bytes(content)
        with pytest.raises(SignatureError, match=message):
            load_private_key(file)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    for content, message in (
        (b"\xff" * 100, "no public key"),
        (keys[0].read_bytes(), "private key, which does not belong on a vehicle"),
        (
            other.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            "no Ed25519 public key",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises(SignatureError, match=message):
            load_public_key(file)
    file.write_bytes(bytes(20_000))
    with pytest.raises(PolicyFileError, match="more than"):
        load_public_key(file)


def test_files_and_bundles_are_signed(keys: tuple[Path, Path], tmp_path: Path):
    private, public = load_private_key(keys[0]), load_public_key(keys[1])
    folder, single = tmp_path / "bundle", tmp_path / "one.safetensors"
    write_bundle([make_artifact("leader", 1), make_artifact("leader", 2)], folder)
    write_policy(make_artifact("leader", 1), single)
    with pytest.raises(SignatureError, match="not signed"):
        verify_files(public, folder)

    assert len(sign_files(private, folder)) == 2
    assert sign_files(private, single) == [tmp_path / "one.safetensors.sig"]

    assert verify_files(public, folder) == 2
    assert verify_files(public, single) == 1
    verify(public, single.read_bytes(), read_signature(single))
    read_bundle(folder)  # signatures beside the files do not disturb
    file = next(folder.glob("leader-2*.sig"))
    file.write_bytes(bytes(64))
    with pytest.raises(SignatureError, match="leader-2"):
        verify_files(public, folder)
    file.write_bytes(bytes(65))
    with pytest.raises(PolicyFileError, match="more than 64"):
        verify_files(public, folder)


def test_a_new_bundle_takes_the_old_signatures_away(keys: tuple[Path, Path], tmp_path: Path):
    folder = tmp_path / "bundle"
    write_bundle([make_artifact("leader", 1)], folder)
    sign_files(load_private_key(keys[0]), folder)

    write_bundle([make_artifact("leader", 1, seed=1)], folder)

    assert not list(folder.glob(f"*{SIGNATURE_SUFFIX}"))


def test_what_is_no_policy_is_not_signed(keys: tuple[Path, Path], tmp_path: Path):
    file = tmp_path / "leader.safetensors"
    file.write_bytes(make_artifact("leader", 1).to_bytes()[:-1])
    with pytest.raises(PolicyFileError):
        sign_files(load_private_key(keys[0]), file)

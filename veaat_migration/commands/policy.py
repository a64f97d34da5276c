"""Check and describe learned policies; sign them; export them to ONNX.

Reads a policy file, the folder of a bundle, or the shipped bundle of that name, checks everything
that can be checked (digest, keys, shapes, numbers) and prints whose policy it is, what it observes,
how it answers and where it comes from. A policy that cannot be used is an error that says why.

Signing: 'keygen' makes a pair of keys. The private one stays where policies are made ('sign', or
the parameter signing_key of the trainer); with the public one a vehicle refuses every policy that
was not signed with the other. A signature lies beside its file, as NAME.sig.

Examples:
  # all policies of a training run
  veaat policy runs/base/seed-1/policies

  # one of them, for scripts
  veaat policy rsu1.safetensors --json | jq .[0].schema.network.widths

  # for onnxruntime or TensorRT: one .onnx file per policy (needs the package onnx)
  veaat policy runs/base/seed-1/policies --onnx build/onnx

  # keys; sign a bundle; check the signatures
  veaat policy keygen keys
  veaat policy sign runs/base/seed-1/policies --key keys/policy-signing.key
  veaat policy runs/base/seed-1/policies --public-key keys/policy-signing.pub
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from veaat_migration.errors import VeaatError

SUMMARY = "check, describe and sign learned policies, export them to ONNX"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "words", nargs="+", metavar="PATH",
        help="policy file, folder of a bundle, or name of a shipped one (base); or 'keygen DIR', "
        "or 'sign PATH'",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print descriptions as JSON")
    parser.add_argument(
        "--onnx", type=Path, metavar="DIR", help="also write each policy as an ONNX file to DIR"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key to sign with")
    parser.add_argument(
        "--public-key", type=Path, metavar="FILE", help="also check signatures with this key"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the words say."""
    from veaat_migration.bringup.policies import find_policies

    *action, path = args.words
    if not action:
        return _describe(args, find_policies(path))
    if action == ["keygen"]:
        return _keygen(Path(path))
    if action == ["sign"]:
        return _sign(Path(path), args.key)
    raise VeaatError("give one PATH, or 'keygen DIR', or 'sign PATH --key FILE'")


def _keygen(folder: Path) -> int:
    """Make a pair of keys."""
    from veaat_migration.policy.signature import make_keys

    private, public = make_keys(folder)
    print(f"private key, for the trainer or 'veaat policy sign': {private}")
    print(f"public key, for the vehicles: {public}")
    return 0


def _sign(path: Path, key: Path | None) -> int:
    """Sign policies."""
    from veaat_migration.policy.signature import load_private_key, sign_files

    if key is None:
        raise VeaatError("sign: give the private key (--key FILE); 'keygen DIR' makes one")
    signatures = sign_files(load_private_key(key), path)
    print("\n".join(f"wrote {signature}" for signature in signatures))
    return 0


def _describe(args: argparse.Namespace, path: Path) -> int:
    """Print what the policies are."""
    from veaat_migration.policy.policy_files import make_folder, read_bundle, read_policy

    if args.public_key is not None:
        from veaat_migration.policy.signature import load_public_key, verify_files

        verify_files(load_public_key(args.public_key), path)
    artifacts = read_bundle(path) if path.is_dir() else (read_policy(path),)
    if args.onnx is not None:
        from veaat_migration.policy.onnx_export import onnx_name, write_onnx

        make_folder(args.onnx)
        for artifact in artifacts:
            write_onnx(artifact, args.onnx / onnx_name(artifact))
    if args.json:
        described = [
            {
                "schema": artifact.schema.to_json(),
                "sha256": artifact.digest,
                "parameters": artifact.n_parameters,
            }
            for artifact in artifacts
        ]
        print(json.dumps(described, indent=2, allow_nan=False))
    else:
        print("\n\n".join(artifact.describe() for artifact in artifacts))
    if args.public_key is not None and not args.json:
        print(f"\n{len(artifacts)} signatures fit {args.public_key}")
    if args.onnx is not None and not args.json:
        print(f"\nwrote {len(artifacts)} ONNX files to {args.onnx}")
    return 0

"""Check and describe learned policies; export them to ONNX.

Reads a policy file or the folder of a bundle, checks everything that can be checked (digest, keys,
shapes, numbers) and prints whose policy it is, what it observes, how it answers and where it comes
from. A policy that cannot be used is an error that says why.

Examples:
  # all policies of a training run
  veaat policy runs/base/seed-1/policies

  # one of them, for scripts
  veaat policy rsu1.safetensors --json | jq .[0].schema.network.widths

  # for onnxruntime or TensorRT: one .onnx file per policy (needs the package onnx)
  veaat policy runs/base/seed-1/policies --onnx build/onnx
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SUMMARY = "check and describe learned policies, export them to ONNX"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="policy file, or folder of a bundle"
    )
    parser.add_argument("--json", action="store_true", help="print descriptions as JSON")
    parser.add_argument(
        "--onnx", type=Path, metavar="DIR", help="also write each policy as an ONNX file to DIR"
    )


def run(args: argparse.Namespace) -> int:
    """Print what the policies are."""
    from veaat_migration.policy.policy_files import make_folder, read_bundle, read_policy

    path: Path = args.path
    artifacts = read_bundle(path) if path.is_dir() else (read_policy(path),)
    if args.onnx is not None:
        from veaat_migration.policy.onnx_export import write_onnx

        make_folder(args.onnx)
        for artifact in artifacts:
            name = f"{artifact.schema.role}-{artifact.schema.agent_id}.onnx"
            write_onnx(artifact, args.onnx / name)
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
    if args.onnx is not None and not args.json:
        print(f"\nwrote {len(artifacts)} ONNX files to {args.onnx}")
    return 0

"""Look for what may keep this machine from playing, and say what to do.

Checks versions, messages, middleware and discovery, shared memory, clock, processor and disk,
policies that are given, and what is on the network right now: who plays, whether publishers and
subscriptions can connect, whether a node or player is there twice, simulated time, the clocks of
others. Needs no ROS: what cannot be looked at is skipped and says so. The exit status is 1 if
something failed (FAIL), else 0.

Examples:
  # everything, before driving
  veaat doctor

  # policies and the key that they are signed with; execution providers that are wanted
  veaat doctor --policy /var/lib/veaat/policies --public-key /etc/veaat/policy-signing.pub
  veaat doctor --providers tensorrt cuda

  # another game, longer; for scripts
  veaat doctor --namespace /town/veaat --listen 10 --json | jq .counts
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from pathlib import Path

SUMMARY = "look for what may keep this machine from playing"
_NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(?:/[A-Za-z_]\w*)*|/", re.ASCII)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--policy", action="append", default=[], metavar="PATH",
        help="policy file, folder of a bundle, or name of a shipped one (base), to check (may be "
        "given several times)",
    )  # fmt: skip
    parser.add_argument(
        "--public-key", type=Path, metavar="FILE", help="key that the policies must be signed for"
    )
    parser.add_argument(
        "--providers", nargs="+", default=[], metavar="NAME",
        help="execution providers of onnxruntime that must be there (cpu, cuda, tensorrt)",
    )  # fmt: skip
    parser.add_argument(
        "--namespace", type=_namespace, default="/veaat", metavar="NAME",
        help="namespace of the game (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--listen", type=_seconds, default=4.0, metavar="SECONDS",
        help="how long to listen to the network; 0: not at all (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--odom", type=_topic, metavar="TOPIC",
        help="also look for the vehicle's odometry on this topic, such as /odom",
    )  # fmt: skip
    parser.add_argument(
        "--bags", type=Path, default=Path(), metavar="DIR",
        help="folder that recordings go to (default: the current one)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if a check failed."""
    from veaat_migration.bringup.policies import shipped_or_path
    from veaat_migration.doctor.examination import examine
    from veaat_migration.doctor.finding import exit_status, table, to_mapping

    if args.listen and not args.json:
        print(f"Listening to {args.namespace} for {args.listen:g} s ...", file=sys.stderr)
    findings = examine(
        policies=[shipped_or_path(name) for name in args.policy],
        public_key=args.public_key,
        providers=args.providers,
        namespace=args.namespace,
        listen=args.listen,
        bags=args.bags,
        odometry=args.odom or "",
    )
    if args.json:
        print(json.dumps(to_mapping(findings), indent=2, allow_nan=False))
    else:
        print(table(findings))
    return exit_status(findings)


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"must be names of letters, digits and _ such as /town/veaat, got {text!r}"
        )
    return "/" + text.strip("/")


def _topic(text: str) -> str:
    if text.strip("/") == "":
        raise argparse.ArgumentTypeError(f"must be the name of a topic such as /odom, got {text!r}")
    return _namespace(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= 3600.0:
        raise argparse.ArgumentTypeError(f"must be from 0 to 3600, got {text!r}")
    return seconds

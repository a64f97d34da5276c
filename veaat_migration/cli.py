"""The ``veaat`` command: every tool of the project that needs no running ROS graph, and ``sim``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from veaat_migration.errors import VeaatError

COMMANDS = (
    "solve",
    "sweep",
    "train",
    "evaluate",
    "reproduce",
    "policy",
    "scenario",
    "sim",
    "migrate",
    "bag",
    "replay",
    "fleet",
    "qoe",
    "doctor",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser with one subcommand per module of :mod:`veaat_migration.commands`."""
    parser = argparse.ArgumentParser(
        prog="veaat",
        description="Migration of vehicular embodied-AI agent twins as a Stackelberg game.",
        epilog="'veaat COMMAND --help' explains one command, with examples.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"veaat_migration.commands.{name}")
        subparser = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 for an error the user can mend, 130 after Ctrl-C."""
    args = build_parser().parse_args(arguments)
    # numpy is not imported yet. The matrices of a game are small: threads would only wait for
    # each other, on a busy machine for many times as long as the work takes.
    for library in ("OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except VeaatError as error:
        print(f"veaat {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())

"""One module per ``veaat`` command.

Each module defines ``SUMMARY`` (one line), ``configure(parser)`` and ``run(args) -> int``
and imports what is heavy inside ``run``, so that ``veaat --help`` stays quick.
"""

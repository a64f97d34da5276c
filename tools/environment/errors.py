"""Errors that the user can mend; their text is printed as it is, without a traceback."""


class SetupError(Exception):
    """The set-up cannot go on; the message says why and what to do."""

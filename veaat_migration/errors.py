"""Errors that are the user's to mend: shown as one message, without a traceback."""


class VeaatError(Exception):
    """Something outside the program is wrong; the message says what, where and what to do."""

"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Give Ctrl-C back to the programs under test.

    A shell that runs a script in the background tells it to ignore Ctrl-C, every program started
    there inherits that, and tests that send one would wait in vain.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""What all tests of this tree share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

HEARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


@pytest.fixture(scope="session", autouse=True)
def signals_are_not_ignored() -> Iterator[None]:
    """Let what the tests start hear signals, also where the tests run in the background of a script or under nohup.

    A shell makes its background jobs ignore SIGINT and SIGQUIT, nohup SIGHUP; every child inherits that.
    """
    ignored = [number for number in HEARD if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)

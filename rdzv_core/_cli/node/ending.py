"""What a signal does while no agent handles it: while the store is opened, while this node leaves, and after."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from rdzv_core._cli.node.signals import ENDING, PAUSING, UNTOLD, name_of
from rdzv_core._cli.stderr import flush_lines

GOODBYE_SECONDS = 3.0
"""How long a node that was told to end may take to tell the others, and to release what it has."""


class Ending:
    """Ends this process at once, whatever its main thread does; to be called with a signal's number.

    A command that still runs is killed by its watchdog.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.status: int | None = None
        """The exit status where it is known already; None: that of the signal."""

    def __call__(self, number: int) -> None:
        if number in ENDING:
            self._say(f"got {name_of(number)}; ending at once")
            self._end(128 + number)
        elif number == PAUSING:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif number not in UNTOLD:
            self._say(f"got {name_of(number)}; dropped: no command runs")

    def within(self, seconds: float) -> None:
        """End after this time, if the process has not done so itself."""

        def end() -> None:
            self._say(f"not done after {seconds:g} s: ending; the others learn of it when this node's lease ends")
            self._end(1)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # the system has no thread left: then it takes its time
            pass

    def _end(self, status: int) -> None:
        flush_lines()
        os._exit(status if self.status is None else self.status)

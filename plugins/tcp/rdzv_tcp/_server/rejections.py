"""The log of who was refused: every reason is told, and a flood of bad peers does not fill the disk."""

from __future__ import annotations

import asyncio
import logging
import re

INTERVAL = 60.0
"""Seconds in which one line tells of a host and a reason; a second one then says how many more there were."""

MOST = 64
"""How many pairs of host and reason have lines of their own in one interval; what comes beyond is counted together."""

_log = logging.getLogger("rdzv_tcp")


class _Told:
    """What was told of one host and reason, and what of it came since."""

    __slots__ = ("last", "left_out", "level")

    def __init__(self, level: int) -> None:
        self.level = level
        self.left_out = 0
        self.last = ""


class Rejections:
    """Logs refused peers, with bounded memory and a bounded number of lines. Runs on the server's loop alone."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Told] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, peername: object, reason: str, level: int) -> None:
        """Tell of one refusal: at once, or in the interval's count if its like was told of already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self.sum_up)
        host = str(peername[0]) if isinstance(peername, tuple) and peername else "an unknown address"
        # Numbers, and what follows the colon, may be the peer's own words: it could say something new every time.
        like = host, re.sub(r"\d+", "#", reason.partition(":")[0])
        told = self._told.get(like)
        if told is None and len(self._told) < MOST:
            self._told[like] = _Told(level)
            _log.log(level, "rdzv tcp server: refused %s: %s", peername, reason)
            return
        if told is None:
            like = "other addresses, or for other reasons,", ""
            told = self._told.setdefault(like, _Told(logging.WARNING))
        told.left_out += 1
        told.last = reason

    def sum_up(self) -> None:
        """End the interval: say what was left out in it, if anything was."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for (host, _), told in self._told.items():
            if told.left_out:
                _log.log(
                    told.level,
                    "rdzv tcp server: refused %s %d more times within %g s, the last time: %s",
                    host,
                    told.left_out,
                    INTERVAL,
                    told.last,
                )
        self._told.clear()

"""Waiting for a change: look, then wait to be told of a change, and look again."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rdzv_core import StateSnapshot, SupportsWatch, Token
from rdzv_redis._register import RedisRegister

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 1.0
"""So often even who is told of nothing looks: what expires, or is lost, tells nobody."""


class RedisWatch(RedisRegister, SupportsWatch):
    """The register, which can be waited on."""

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        def look() -> tuple[bool, StateSnapshot | None]:
            there = self.get_state()
            if there is None:
                return token is not None, None
            return not (isinstance(token, bytes) and token == there.token), there

        return self.wait(self.params.key, look, timeout)

    def wait(
        self,
        channel: str,
        look: Callable[[], tuple[bool, T]],
        timeout: float,
        every: Callable[[T], float] = lambda _: LOOK_AGAIN_SECONDS,
    ) -> tuple[bool, T]:
        """Look whenever the channel tells of a change, until it is seen or `timeout` is over; return the last look.

        Look as well when nothing was told for a second, or for what `every` makes of the last look, if that is less.
        """
        until = time.monotonic() + timeout
        with self.calling(), self._hold.client().listener.waiter(channel) as told:
            while True:
                told.clear()
                is_over, seen = look()
                left = until - time.monotonic()
                if is_over or left <= 0:
                    return is_over, seen
                self._wait(told, min(left, LOOK_AGAIN_SECONDS, every(seen)))

    def _wait(self, told: threading.Event, seconds: float) -> None:
        with self.guard.call(float("inf")) as call, call.interruptible(told.set):
            told.wait(seconds)
        self.guard.check()

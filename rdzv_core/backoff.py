"""How long to pause before trying again: growing, jittered, and with a longest pause.

    pauses = Backoff(0.01, 1.0)
    while not attempt():
        closing.wait(pauses.next())

It only computes: how to sleep, and what ends the sleep, is up to the caller.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """The pauses between attempts, in seconds. Not thread-safe.

    The pauses grow from `first` by `factor` each time, up to `longest`. From each one up to the share `jitter` is taken
    off at random, so that those who failed together do not try again together: with 0.5, the default, a pause is
    between half of it and all of it; with 1 it may be anything down to 0; with 0 nothing is random. `rng` replaces
    the `random` module, for simulations and tests.

    Raises `ValueError` unless `first` is positive, `factor` at least 1, and `jitter` between 0 and 1. A `longest`
    below `first` is the length of every pause.
    """

    def __init__(
        self,
        first: float,
        longest: float,
        *,
        factor: float = 2.0,
        jitter: float = 0.5,
        rng: random.Random | None = None,
    ) -> None:
        if not (first > 0 and factor >= 1 and 0 <= jitter <= 1):
            raise ValueError(
                f"Backoff({first!r}, {longest!r}, factor={factor!r}, jitter={jitter!r}): first must be positive, "
                "factor at least 1, and jitter between 0 and 1"
            )
        self.longest = longest
        """The cap; it may be changed between two pauses."""
        self._first, self._factor, self._shortest_share = first, factor, 1.0 - jitter
        self._uniform = random.uniform if rng is None else rng.uniform
        self._upcoming = first

    def next(self, *, at_least: float = 0.0) -> float:
        """Return the next pause. `at_least` lifts it, before jitter, and all that follow it; never over `longest`."""
        pause = min(max(self._upcoming, at_least), self.longest)
        self._upcoming = pause * self._factor
        return pause * self._uniform(self._shortest_share, 1.0)

    def reset(self) -> None:
        """Start again with the first pause: an attempt has succeeded."""
        self._upcoming = self._first

    def __repr__(self) -> str:
        return f"<Backoff: {self._upcoming:g} s next, {self.longest:g} s at most>"

"""What a node reports while its store is away: what is wrong, since when, and how long the node goes on. Pure."""

from __future__ import annotations

from collections.abc import Callable

_FIRST_AFTER, _AGAIN_AFTER = 1.0, 30.0
"""In seconds: a shorter absence is not worth a line; a longer one is reported again and again."""


class Outage:
    """Notes what fails and what is answered, and calls `tell` with a line where an operator should know of it.

    `endpoint` is where the store is, as far as that is known; `reached` whether it ever was.
    """

    def __init__(self, tell: Callable[[str], None], endpoint: str = "", reached: bool = True) -> None:
        self._tell = tell
        self.endpoint = endpoint
        self._reached = reached
        self._since: float | None = None
        self._why = ""
        self._told_at: float | None = None

    @property
    def why(self) -> str:
        """What is wrong with the store; empty while it answers."""
        return self._why

    def failed(self, why: str, since: float) -> None:
        """Note that the store has not done what was asked of it at `since`."""
        self._since = since if self._since is None else self._since
        self._why = why

    def answered(self, now: float) -> None:
        """Note that the store does what is asked of it."""
        if self._since is not None and self._told_at is not None:
            told = "is back" if self._reached else "was reached"
            self._tell(f"{self.store('')} {told} after {now - self._since:.1f} s")
        self._reached = True
        self._since, self._why, self._told_at = None, "", None

    def look(self, consequence: str, now: float) -> float:
        """Report that the store is away where that is due, and the `consequence`; return when to look again."""
        if self._since is None:
            return float("inf")
        due = self._since + _FIRST_AFTER if self._told_at is None else self._told_at + _AGAIN_AFTER
        if now < due:
            return due
        self._told_at = now
        since = f"{now - self._since:.1f} s"
        if self._reached:
            self._tell(f"lost {self.store()} {since} ago ({self._why}): {consequence}")
        else:
            self._tell(f"{self.store()} has not been reached for {since} ({self._why}): {consequence}")
        return now + _AGAIN_AFTER

    def store(self, beside: str | None = None) -> str:
        """Return how to call the store in a text `beside` which (unset: why it is away) may name its endpoint too."""
        named = self._why if beside is None else beside
        # A backend's error begins with its own name and its store's: the endpoint may be written in another way there.
        is_named = not self.endpoint or self.endpoint in named or named.startswith("backend ")
        return "the store" if is_named else f"the store at {self.endpoint}"

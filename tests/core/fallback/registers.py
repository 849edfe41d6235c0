"""What comes between a membership and its registers, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rdzv_core import RendezvousConnectionError, register_key
from rdzv_core._fallback import RegisterMembership

TTL = 10.0

DIRECTORY = register_key("run", "members")
INCARNATION = register_key("run", "members.incarnation")
SLOT = register_key("run", "members.0")


class Interference:
    """Called before every register call; does to the next one of a kind what the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._plans: list[tuple[str, str, Callable[[], Callable[[], None] | None]]] = []

    def __call__(self, what: str, key: str) -> Callable[[], None] | None:
        self.calls.append((what, key))
        for plan in self._plans:
            if plan[:2] == (what, key):
                self._plans.remove(plan)
                return plan[2]()
        return None

    def before(self, what: str, key: str, act: Callable[[], Any]) -> None:
        """Do something before the next such call."""

        def plan() -> None:
            act()

        self._plans.append((what, key, plan))

    def lose_call(self, what: str, key: str) -> None:
        """Let the next such call fail before it takes effect."""
        self.before(what, key, _fail)

    def after(self, what: str, key: str, act: Callable[[], Any]) -> None:
        """Do something after the next such call took effect, before its answer arrives."""
        self._plans.append((what, key, lambda: act))

    def lose_answer(self, what: str, key: str) -> None:
        """Let the next such call fail after it took effect."""
        self.after(what, key, _fail)


def _fail() -> None:
    raise RendezvousConnectionError("the connection was lost")


def watch(port: RegisterMembership, clock: Any, seconds: float) -> int:
    """Let `port` watch for some time; give how many there are then."""
    port.count()
    for _ in range(round(seconds)):
        clock.advance(1)
        port.count()
    return port.count()


def page(hub: Any, key: str) -> Any:
    return json.loads(hub.raw[key].partition(b"\n")[2])["slots"]


def directory(hub: Any) -> Any:
    return json.loads(hub.raw[DIRECTORY].partition(b"\n")[2])

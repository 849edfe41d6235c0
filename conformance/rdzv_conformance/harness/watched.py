"""A capability of a backend, every call of which is watched: one that hangs, or raises what it should not, is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.harness.expect import shown
from rdzv_conformance.harness.watchdog import Calls
from rdzv_core import Store

_WAITING = frozenset({"get", "multi_get", "wait", "wait_members", "wait_state"})
"""Methods whose last argument says how many seconds they may take on top."""

ENDLESS = 1e6
"""Seconds: of more a float does not count single ones. A test is over long before."""


class Watched:
    """Stands before a backend, or a store that it gave, and passes every call on."""

    def __init__(self, behind: object, calls: Calls, patience: float) -> None:
        self._behind, self._calls, self._patience = behind, calls, patience

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._behind, name)
        return self._watched(name, attribute) if callable(attribute) else attribute

    def _watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            waits = arguments[-1] if name in _WAITING and len(arguments) > 1 else 0.0
            what = f"{name}({', '.join(shown(argument, 40) for argument in arguments)})"
            answer = self._calls.run(what, self._patience + min(waits or 0.0, ENDLESS), method, *arguments)
            return Watched(answer, self._calls, self._patience) if isinstance(answer, Store) else answer

        return call

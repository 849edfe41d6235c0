"""What many listeners may hook, carried by pluggy: events, rank assignment, parameter defaults.

A distribution names its plugin in the entry point group `rdzv_core.plugins`; a program registers one with
`Hooks.register`. The environment variable RDZV_DISABLE_PLUGINS, set to anything but 0, turns the installed ones off.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from rdzv_core.events import Departing, Event, Joined, Joining, JoiningFailed

if TYPE_CHECKING:
    from rdzv_core.handler.head import Seat
    from rdzv_core.handler.rules import RankOrder

GROUP = "rdzv_core.plugins"
DISABLE = "RDZV_DISABLE_PLUGINS"

__all__ = ["Departing", "Event", "Hooks", "Joined", "Joining", "JoiningFailed", "hookimpl", "hookspec"]

log = logging.getLogger("rdzv")

hookspec = pluggy.HookspecMarker("rdzv_core")
hookimpl = pluggy.HookimplMarker("rdzv_core")


class Specs:
    """The hooks."""

    @hookspec
    def rdzv_event(self, event: Event) -> None:
        """Take note of an event (see `rdzv_core.events`).

        Called on a thread that does nothing else, in the order in which it happened: who is slow delays other
        listeners, and never the handler but for a second. An error is logged, no more. No hook wrappers.
        """

    @hookspec(firstresult=True)
    def rdzv_assign_ranks(self, run_id: str, candidates: list[str], last: list[str]) -> list[str] | None:
        """Give the candidates' node ids in the order of their ranks, or None to leave it to others.

        `last` has the last round's node ids by rank. What is no permutation of `candidates` is logged and ignored.
        """

    @hookspec
    def rdzv_parameter_defaults(self, backend: str) -> dict[str, object] | None:
        """Give options to be used with `backend` where the job's author gave none."""


class Hooks:
    """The plugins that are listened to. Installed ones are loaded on creation; one that is broken is logged."""

    def __init__(self, load_installed: bool = True) -> None:
        self._manager = pluggy.PluginManager("rdzv_core")
        self._manager.add_hookspecs(Specs)
        if load_installed and os.environ.get(DISABLE, "0") in ("", "0"):
            self._load_installed()

    def register(self, plugin: object) -> None:
        """Listen to `plugin`, an object or module with functions marked `hookimpl`; raises `ValueError` if known."""
        self._manager.register(plugin)

    @property
    def listening(self) -> bool:
        """Whether any plugin listens to events."""
        return bool(self._manager.hook.rdzv_event.get_hookimpls())

    def event(self, event: Event) -> None:
        """Tell everybody; an error of a listener is logged and harms nobody, not even the next listener."""
        for listener in reversed(self._manager.hook.rdzv_event.get_hookimpls()):
            try:
                listener.function(*([event] if "event" in listener.argnames else []))
            except Exception:
                log.exception("the plugin %r failed on %r", listener.plugin_name, event)

    def defaults(self, backend: str) -> dict[str, Any]:
        """Give the parameter defaults for a backend; of several for one option the last registered plugin's counts."""
        merged: dict[str, Any] = {}
        for given in reversed(self._manager.hook.rdzv_parameter_defaults(backend=backend)):
            merged.update(given or {})
        return merged

    def rank_order(self, run_id: str) -> RankOrder:
        """Give the order of ranks: what the hook says, else natural order."""
        from rdzv_core.handler.rules import natural_order  # late: the handler imports this module

        def order(candidates: Sequence[Seat], last: Sequence[Seat]) -> Sequence[Seat]:
            seats = {seat.node: seat for seat in candidates}
            try:
                said = self._manager.hook.rdzv_assign_ranks(
                    run_id=run_id, candidates=list(seats), last=[seat.node for seat in last]
                )
            except Exception:
                log.exception("a plugin failed to assign ranks; natural order is used")
                said = None
            if said is None:
                return natural_order(candidates, last)
            ranked = _ranked(seats, said)
            if ranked is None:
                log.error(
                    "a plugin assigned ranks %r to nodes %r: no permutation, natural order is used", said, [*seats]
                )
                return natural_order(candidates, last)
            return ranked

        return order

    def _load_installed(self) -> None:
        import importlib_metadata

        for point in importlib_metadata.entry_points(group=GROUP):
            try:
                self._manager.register(point.load(), name=point.name)
            except Exception:
                log.exception("the plugin %s (%s) is broken and is left out", point.name, point.value)


def _ranked(seats: dict[str, Seat], said: Any) -> list[Seat] | None:
    """Give the seats in the order that a plugin said, whatever it is; None if it is no permutation of their nodes."""
    try:
        nodes = list(said)
        return [seats[node] for node in nodes] if len(nodes) == len(seats) == len(set(nodes)) else None
    except Exception:  # noqa: BLE001 - a plugin's objects may raise anything
        return None

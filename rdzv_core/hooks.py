"""What plugins may hook into, by pluggy: events, rank assignment, parameter defaults.

A distribution names its plugin in the entry point group `rdzv_core.plugins`; a program registers one with
`Hooks.register`. The environment variable RDZV_DISABLE_PLUGINS, set to anything but 0, turns the installed ones off.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Sequence
from typing import Any

import pluggy

from rdzv_core._telling import Teller
from rdzv_core.events import Event
from rdzv_core.registry import entry_points

GROUP = "rdzv_core.plugins"
DISABLE = "RDZV_DISABLE_PLUGINS"

__all__ = ["DISABLE", "GROUP", "Hooks", "Specs", "hookimpl", "hookspec"]

log: logging.Logger = logging.getLogger("rdzv")

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker("rdzv_core")
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker("rdzv_core")


class Specs:
    """The hooks."""

    @hookspec
    def rdzv_event(self, event: Event) -> None:
        """Handle an event (see `rdzv_core.events`).

        Called on a thread that does nothing else, in the order of what happened. A slow plugin delays the other
        listeners, and the handler by a second at most. An error is logged, and affects nothing else. A hook wrapper
        goes around all other listeners, and cannot keep an event from them.
        """

    @hookspec(firstresult=True)
    def rdzv_assign_ranks(self, run_id: str, candidates: list[str], last: list[str]) -> list[str] | None:
        """Return the candidates' node ids in the order of their ranks, or None to leave it to others.

        `last` has the last round's node ids by rank. What is not a permutation of `candidates` is logged and ignored.
        """

    @hookspec
    def rdzv_parameter_defaults(self, backend: str) -> dict[str, object] | None:
        """Return options to be used with `backend` unless the job's author gave them."""


class Hooks:
    """The plugins that are listened to. Installed ones are loaded on creation; one that is broken is logged."""

    def __init__(self, load_installed: bool = True) -> None:
        self._manager = pluggy.PluginManager("rdzv_core")
        self._manager.add_hookspecs(Specs)
        self._teller = Teller(self._manager.hook.rdzv_event)
        if load_installed and os.environ.get(DISABLE, "0") in ("", "0"):
            self._load_installed()

    def register(self, plugin: object) -> None:
        """Listen to `plugin`, an object or module with functions marked `hookimpl`.

        Raises `ValueError` if it is registered already, and if it implements a hook that does not exist (unless marked
        `optionalhook`) or one with arguments that the hook does not have; it is not listened to then.
        """
        self._register(plugin, None)

    def unregister(self, plugin: object) -> None:
        """Listen to `plugin` no longer; raises `ValueError` if it is not registered."""
        name = self._manager.get_name(plugin)
        if name is None:
            raise ValueError(f"the plugin {plugin!r} is not registered")
        self._manager.unregister(plugin)
        self._teller.forget(name, plugin)

    def with_plugins(self, plugins: Sequence[object]) -> Hooks:
        """Return further hooks with the plugins of these and `plugins`; from then on each has its own list."""
        both = Hooks(load_installed=False)
        for name, plugin in self._manager.list_name_plugin():
            if plugin is not None:
                both._register(plugin, name)
        for plugin in plugins:
            both.register(plugin)
        return both

    @property
    def listening(self) -> bool:
        """Whether any plugin listens to events."""
        return self._teller.listening

    def event(self, event: Event) -> None:
        """Tell every listener. One that raises is logged, and neither the next listener nor the caller is harmed.

        It is logged when it begins to fail, and with how many events it missed when it works again.
        """
        self._teller.tell(event)

    def defaults(self, backend: str) -> dict[str, Any]:
        """Return the parameter defaults for a backend; for an option, those of the plugin registered last count."""
        merged: dict[str, Any] = {}
        for given in reversed(self._manager.hook.rdzv_parameter_defaults(backend=backend)):
            merged.update(given or {})
        return merged

    def ranks(self, run_id: str, candidates: Sequence[str], last: Sequence[str]) -> list[str] | None:
        """Return the candidates' node ids by rank as a plugin says; None where none does, or fails to.

        `last` has the node ids of the last round by rank. What is not a permutation of `candidates` is logged.
        """
        try:
            said = self._manager.hook.rdzv_assign_ranks(run_id=run_id, candidates=list(candidates), last=list(last))
        except Exception:
            log.exception("a plugin failed to assign ranks; natural order is used")
            return None
        if said is None:
            return None
        ranked = _permutation(candidates, said)
        if ranked is None:
            log.error(
                "a plugin assigned ranks %r to nodes %r, which is not a permutation; natural order is used",
                said,
                [*candidates],
            )
        return ranked

    def _load_installed(self) -> None:
        for point in entry_points(GROUP):
            try:
                self._register(point.load(), point.name)
            except Exception:
                log.exception("the plugin %s (%s) is broken and is left out", point.name, point.value)

    def _register(self, plugin: object, name: str | None) -> None:
        known = self._manager.is_registered(plugin)
        try:
            self._manager.register(plugin, name)
            self._check(plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            if not known and self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            raise ValueError(str(error)) from error

    def _check(self, plugin: object) -> None:
        """Raise `ValueError` for a hook of `plugin` that would never be called.

        Not pluggy's `check_pending`, which names neither the hook that was meant nor those there are.
        """
        there = [name for name in dir(Specs) if name.startswith("rdzv_")]
        for caller in self._manager.get_hookcallers(plugin) or []:
            own = [each for each in caller.get_hookimpls() if each.plugin is plugin]
            if not caller.has_spec() and not all(each.optionalhook for each in own):
                near = difflib.get_close_matches(caller.name, there, n=1)
                guess = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(
                    f"the plugin {plugin!r} implements the hook {caller.name!r}, which does not exist: {guess}"
                    f"The hooks are {', '.join(there)}; mark one of a later rdzv with hookimpl(optionalhook=True)"
                )


def _permutation(nodes: Sequence[str], said: Any) -> list[str] | None:
    """Return what a plugin said, whatever that is, as a list; None if it is not a permutation of `nodes`."""
    try:
        ranked = list(said)
        return ranked if len(ranked) == len(nodes) and set(ranked) == set(nodes) else None
    except Exception:  # noqa: BLE001 - a plugin's objects may raise anything
        return None

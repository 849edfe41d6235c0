"""Passing an event to every plugin that listens: none affects another, and wrappers go around them all."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from rdzv_core.forking import hold_forks

if TYPE_CHECKING:
    from pluggy import HookCaller, HookImpl

    from rdzv_core.events import Event

log = logging.getLogger("rdzv")


class Teller:
    """Calls the implementations of `rdzv_event`, in pluggy's order. Thread-safe.

    A plugin that raises is logged when it begins to, and with how many events it missed when it works again or is
    unregistered. Not pluggy's own call: that ends with the first that raises.
    """

    def __init__(self, caller: HookCaller) -> None:
        self._caller = caller
        self._lock = threading.Lock()
        self._missed: Counter[str] = Counter()

    @property
    def listening(self) -> bool:
        """Whether any plugin listens."""
        return bool(self._caller.get_hookimpls())

    def tell(self, event: Event) -> None:
        """Tell every plugin; raises nothing."""
        implementations = self._caller.get_hookimpls()
        telling = _Telling(event)
        telling.run(implementations)
        for each in implementations:
            if (error := telling.failed.get(each.plugin_name)) is not None:
                self._note_failure(each, error)
            else:
                self._tell_missed(each.plugin_name, each.plugin, "works again")

    def forget(self, name: str, plugin: object) -> None:
        """Log how many events a plugin missed that was unregistered."""
        self._tell_missed(name, plugin, "is closed")

    def _note_failure(self, listener: HookImpl, error: Exception) -> None:
        with hold_forks(), self._lock:
            self._missed[listener.plugin_name] += 1
            first = self._missed[listener.plugin_name] == 1
        if first:
            # A disk that is full is not a bug: there the traceback would tell nothing.
            trace = None if isinstance(error, OSError) else error
            log.warning(
                "the listener %r fails and misses events; everything else goes on: %s",
                listener.plugin,
                error,
                exc_info=trace,
            )

    def _tell_missed(self, name: str, plugin: object, what: str) -> None:
        with hold_forks(), self._lock:
            count = self._missed.pop(name, 0)
        if count:
            log.warning("the listener %r %s: it missed %d event%s", plugin, what, count, "" if count == 1 else "s")


class _Telling:
    """One event on its way through all plugins; `failed` has the errors of those that raised, by plugin."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self.failed: dict[str, Exception] = {}

    def run(self, listeners: list[HookImpl]) -> None:
        """Enter the wrappers, tell the others, and leave the wrappers."""
        entered: list[tuple[HookImpl, Generator[Any, Any, Any]]] = []
        for wrapper in reversed([each for each in listeners if _wraps(each)]):
            around = self._guarded(wrapper, partial(self._entered, wrapper))
            if around is not None:
                entered.append((wrapper, around))
        plain = reversed([each for each in listeners if not _wraps(each)])
        said = [self._guarded(each, partial(self._call, each)) for each in plain]
        results = [each for each in said if each is not None]
        for wrapper, around in reversed(entered):
            self._guarded(wrapper, partial(_left, wrapper, around, results))

    def _guarded(self, listener: HookImpl, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its teller logs it
            self.failed[listener.plugin_name] = error
            return None

    def _call(self, listener: HookImpl) -> Any:
        return listener.function(*([self._event] if "event" in listener.argnames else []))

    def _entered(self, wrapper: HookImpl) -> Generator[Any, Any, Any]:
        around: Generator[Any, Any, Any] = self._call(wrapper)
        try:
            next(around)
        except StopIteration:
            raise RuntimeError("this hook wrapper did not yield: it must, once") from None
        return around


def _wraps(listener: HookImpl) -> bool:
    return listener.wrapper or listener.hookwrapper


def _left(wrapper: HookImpl, around: Generator[Any, Any, Any], results: list[Any]) -> None:
    try:
        around.send(results if wrapper.wrapper else pluggy.Result.from_call(lambda: results))
    except StopIteration:
        return
    around.close()
    raise RuntimeError("this hook wrapper yielded again: it must yield once")

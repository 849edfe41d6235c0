"""Telling an event to every plugin that listens: none harms another, and wrappers go around them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pluggy import HookImpl

    from rdzv_core.events import Event

log = logging.getLogger("rdzv")


def tell(listeners: Sequence[HookImpl], event: Event) -> None:
    """Call the implementations of `rdzv_event`, in pluggy's order; what one of them raises is logged, and that is all.

    Not pluggy's own call: that ends with the first that raises.
    """
    entered: list[tuple[HookImpl, Generator[Any, Any, Any]]] = []
    for wrapper in reversed([each for each in listeners if _wraps(each)]):
        around = _guarded(wrapper, event, partial(_entered, wrapper, event))
        if around is not None:
            entered.append((wrapper, around))
    plain = reversed([each for each in listeners if not _wraps(each)])
    said = [_guarded(each, event, partial(_call, each, event)) for each in plain]
    results = [each for each in said if each is not None]
    for wrapper, around in reversed(entered):
        _guarded(wrapper, event, partial(_left, wrapper, around, results))


def _wraps(listener: HookImpl) -> bool:
    return listener.wrapper or listener.hookwrapper


def _call(listener: HookImpl, event: Event) -> Any:
    return listener.function(*([event] if "event" in listener.argnames else []))


def _guarded(listener: HookImpl, event: Event, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception:
        log.exception("the plugin %r failed on %r", listener.plugin_name, event)
        return None


def _entered(wrapper: HookImpl, event: Event) -> Generator[Any, Any, Any]:
    around: Generator[Any, Any, Any] = _call(wrapper, event)
    try:
        next(around)
    except StopIteration:
        raise RuntimeError("this hook wrapper did not yield: it must, once") from None
    return around


def _left(wrapper: HookImpl, around: Generator[Any, Any, Any], results: list[Any]) -> None:
    try:
        around.send(results if wrapper.wrapper else pluggy.Result.from_call(lambda: results))
    except StopIteration:
        return
    around.close()
    raise RuntimeError("this hook wrapper yielded again: it must yield once")

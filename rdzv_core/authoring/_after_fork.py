"""Objects that begin again in the child of a fork, where locks may be held by threads that are gone."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

_bound: dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]] = {}
# A plain dictionary, changed by single operations only: a fork finds it whole, whatever other threads do.


def begin_again_in_a_child(method: Callable[[], None]) -> None:
    """Call a method of an object in the child of every fork, for as long as the object is there."""
    owner, function = method.__self__, method.__func__  # type: ignore[attr-defined]
    key, forget = id(owner), _bound.pop  # not a WeakMethod: that writes a traceback where its owner outlives it
    _bound[key] = weakref.ref(owner, lambda _: forget(key, None)), function


def _begin_again() -> None:
    for reference, function in list(_bound.values()):
        owner = reference()
        if owner is not None:
            function(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)

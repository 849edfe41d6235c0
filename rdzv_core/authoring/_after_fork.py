"""Objects that begin again in the child of a fork, where locks may be held by threads that are gone."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

_bound: dict[int, weakref.WeakMethod[Any]] = {}
# A plain dictionary, changed by single operations only: a fork finds it whole, whatever other threads do.


def begin_again_in_a_child(method: Callable[[], None]) -> None:
    """Call a method of an object in the child of every fork, for as long as the object is there."""
    owner = id(method.__self__)  # type: ignore[attr-defined]
    _bound[owner] = weakref.WeakMethod(method, lambda _: _bound.pop(owner, None))


def _begin_again() -> None:
    for reference in list(_bound.values()):
        method = reference()
        if method is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)

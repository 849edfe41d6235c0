"""A backend by whose submitted calls a test goes that calls: each method is submitted where it can be."""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable
from typing import Any, TypeVar

from rdzv_core import (
    RendezvousBackend,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
)

B = TypeVar("B", RendezvousBackend, Store)

_CLAIMS = (
    RendezvousBackend,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
)


def by_submit(target: B) -> B:
    """Return what stands before a backend or a store, claims what it claims, and submits what can be submitted.

    A sibling and a store that it gives are of the same kind. A call returns when `done` was told, and raises the error
    that `done` was told; one of which it is never told does not return. What is not submittable is called.
    """
    claims = tuple(each for each in _CLAIMS if isinstance(target, each))
    kind = type("BySubmit", claims, {"__getattribute__": _attribute, "__repr__": lambda _: f"<submitting {target!r}>"})
    kind.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    made: B = object.__new__(kind)
    object.__setattr__(made, "_target", target)
    return made


def _attribute(self: Any, name: str) -> Any:
    if name.startswith("__") or name == "_target":
        return object.__getattribute__(self, name)
    target = object.__getattribute__(self, "_target")
    attribute = getattr(target, name)
    if name in ("sibling", "store"):
        return lambda asked: by_submit(attribute(asked))
    if isinstance(target, SupportsSubmit) and name in target.submittable:
        return _submitting(target, name, attribute)
    return attribute


def _submitting(target: SupportsSubmit, method: str, called: Callable[..., Any]) -> Callable[..., Any]:
    def submit(*arguments: Any, **named: Any) -> Any:
        if named:
            arguments = inspect.signature(called).bind(*arguments, **named).args
        ends: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        target.submit(method, arguments, lambda result, error: ends.put((result, error)))
        result, error = ends.get()
        if error is not None:
            raise error
        return result

    return submit

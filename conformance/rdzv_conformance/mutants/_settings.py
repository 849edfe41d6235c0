"""Where a mutant is tried: a store, options to reach it, and what the suite may do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.memory_helpers import MEMORY
from rdzv_conformance.mutants._remote import RemoteStore


class Place(NamedTuple):
    """An endpoint, options, and helpers."""

    endpoint: str
    options: Mapping[str, Any]
    helpers: Helpers


Setting = Callable[[], AbstractContextManager[Place]]


@contextmanager
def in_memory() -> Iterator[Place]:
    """The memory of this process."""
    yield Place("mutants", {}, MEMORY)


@contextmanager
def remotely() -> Iterator[Place]:
    """A server in this process."""
    with RemoteStore() as store:
        yield Place(store.endpoint, {}, Helpers())

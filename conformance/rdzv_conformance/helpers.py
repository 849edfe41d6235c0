"""What an installed backend lends to the suite without a line of test code: the group `rdzv_conformance.helpers`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdzv_conformance.target import Helpers
from rdzv_conformance.workshop import Workshop
from rdzv_core import RendezvousParameters
from rdzv_core.compat import resolved_name
from rdzv_core.memory import MemoryBackend
from rdzv_core.registry import entry_points, normalize

GROUP = "rdzv_conformance.helpers"


def installed_helpers(backend: str) -> Helpers:
    """Give what the entry point of the backend's name in the group names: any object with attributes of `Helpers`.

    It may be a module, and it need not import this package. Nothing installed: `Helpers()`, which lends nothing.
    """
    wanted = normalize(resolved_name(backend).rpartition(":")[2])
    for point in entry_points(GROUP):
        if normalize(point.name) == wanted:
            return helpers_of(point.load())
    return MEMORY if wanted == "memory" else Helpers()


def helpers_of(lender: Any) -> Helpers:
    """Read the attributes of `Helpers` from any object; those that it has not are None."""
    return Helpers().and_those_of(lender)


@contextmanager
def store_of_its_own(backend: str, helpers: Helpers, directory: Path) -> Iterator[Any]:
    """Start the store that a backend lends to the suite, in an empty directory; `ValueError` if it lends none."""
    if helpers.own_store is None:
        raise ValueError(f"--endpoint is required for {backend!r}: the backend starts no store itself")
    with helpers.own_store(Workshop(directory)) as store:
        yield store


def corrupt_memory(params: RendezvousParameters) -> None:
    """Spoil a register of the reference backend: core knows no suite, so its helper is here."""
    backend = MemoryBackend(params)
    backend.hub.raw[backend.key] = b"not what the backend wrote"
    backend.hub.wake()


@contextmanager
def truncated_memory(params: RendezvousParameters) -> Iterator[None]:
    """Cut a register of the reference backend to 0 bytes, and put it back."""
    backend = MemoryBackend(params)
    whole = backend.hub.raw.get(backend.key, b"")
    backend.hub.raw[backend.key] = b""
    backend.hub.wake()
    yield
    backend.hub.raw[backend.key] = whole
    backend.hub.wake()


def lose_members_of_memory(params: RendezvousParameters) -> None:
    """Let the reference backend forget who is there, in every run of its endpoint."""
    MemoryBackend(params).hub.lose_members()


def keys_of_memory(params: RendezvousParameters) -> Iterable[str]:
    """List the keys of the registers of an endpoint of the reference backend."""
    return list(MemoryBackend(params).hub.raw)


MEMORY = Helpers(
    corrupt=corrupt_memory, truncated=truncated_memory, lose_members=lose_members_of_memory, keys=keys_of_memory
)
"""What the suite does to the reference backend."""

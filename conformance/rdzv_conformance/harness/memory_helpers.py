"""What the suite does to the reference backend: core knows no suite, so its helpers are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rdzv_conformance.harness.helpers import Helpers
from rdzv_core import RendezvousParameters
from rdzv_core.memory import MemoryBackend


def corrupt_memory(params: RendezvousParameters) -> None:
    """Corrupt a register of the reference backend."""
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
    """Make the reference backend forget the members of a run."""
    backend = MemoryBackend(params)
    backend.hub.lose_members(backend.run)


def keys_of_memory(params: RendezvousParameters) -> Iterable[str]:
    """List the keys of the registers of an endpoint of the reference backend."""
    return list(MemoryBackend(params).hub.raw)


MEMORY = Helpers(
    corrupt=corrupt_memory, truncated=truncated_memory, lose_members=lose_members_of_memory, keys=keys_of_memory
)
"""What the suite does to the reference backend."""

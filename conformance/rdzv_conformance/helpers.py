"""What an installed backend lends to the suite without a line of test code: the group `rdzv_conformance.helpers`."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import importlib_metadata

from rdzv_conformance.target import Helpers
from rdzv_core import RendezvousParameters
from rdzv_core.memory import MemoryBackend
from rdzv_core.registry import normalize

GROUP = "rdzv_conformance.helpers"


def installed_helpers(backend: str) -> Helpers:
    """Give what the entry point of the backend's name in the group names: any object with attributes of `Helpers`.

    It may be a module, and it need not import this package. Nothing installed: `Helpers()`, which lends nothing.
    """
    wanted = normalize(backend.rpartition(":")[2])
    for point in importlib_metadata.entry_points(group=GROUP):
        if normalize(point.name) == wanted:
            return helpers_of(point.load())
    return Helpers(corrupt=corrupt_memory, lose_members=lose_members_of_memory) if wanted == "memory" else Helpers()


def helpers_of(lender: Any) -> Helpers:
    """Read the attributes of `Helpers` from any object; those that it has not are None."""
    return Helpers(**{field.name: getattr(lender, field.name, None) for field in fields(Helpers)})


def corrupt_memory(params: RendezvousParameters) -> None:
    """Spoil a register of the reference backend: core knows no suite, so its helper is here."""
    backend = MemoryBackend(params)
    backend.hub.raw[backend.key] = b"not what the backend wrote"
    backend.hub.wake()


def lose_members_of_memory(params: RendezvousParameters) -> None:
    """Let the reference backend forget who is there, in every run of its endpoint."""
    MemoryBackend(params).hub.lose_members()

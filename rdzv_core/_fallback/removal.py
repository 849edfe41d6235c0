"""Removing the registers that the fallbacks have made for a run, once no node needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.registers import Registers, slot_purpose
from rdzv_core._fallback.roll import Slot
from rdzv_core._fallback.store import store_purpose
from rdzv_core.abc import RendezvousBackend, SupportsDelete, SupportsMembership, SupportsStore, Token

_MISSING_SLOTS = 8
"""So many slots in a row that are not there are the end of them: an entry that failed half way leaves a gap."""


def remove_stores(backend: RendezvousBackend, epochs: set[str]) -> int:
    """Remove the stores of the rounds of `epochs`, as far as they are registers; return how many were removed."""
    if isinstance(backend, SupportsStore):
        return 0
    return sum(_remove_whole(backend, store_purpose(epoch)) for epoch in epochs if epoch)


def remove_memberships(backend: RendezvousBackend, has_gone: Callable[[bytes], bool]) -> int:
    """Remove the membership's registers if all in it have gone by their payload; return how many were removed.

    A member that enters or refreshes meanwhile wins: its write has another token, and stays.
    """
    if isinstance(backend, SupportsMembership):
        return 0
    registers = Registers(backend, Life(f"the membership on registers of backend {backend.name!r}"))
    try:
        incarnation = registers.incarnation.read()[1]
        directory, token = registers.directory.read()
        slots = list(_slots(registers))
        gone = {slot.id for _, slot, _ in slots if slot.gone or has_gone(slot.payload)}
        if directory is not None and any(entry.id not in gone for entry in directory.order):
            return 0
        if directory is not None and not _remove(backend, "members", token):
            return 0
        removed = int(directory is not None) + _remove(backend, "members.incarnation", incarnation)
        return removed + sum(_remove(backend, slot_purpose(number), token) for number, _, token in slots)
    finally:
        registers.close()


def _slots(registers: Registers) -> Iterator[tuple[int, Slot, Token | None]]:
    number = missing = 0
    while missing < _MISSING_SLOTS:
        slot, token = registers.slot(number).read()
        missing = missing + 1 if slot is None else 0
        if slot is not None:
            yield number, slot, token
        number += 1


def _remove(backend: RendezvousBackend, purpose: str, token: Token | None) -> int:
    """Remove the register of a purpose if it still has `token`; None means that it was not there."""
    if token is None:
        return 0
    register = backend.sibling(purpose)
    try:
        return int(isinstance(register, SupportsDelete) and register.delete_state(token))
    finally:
        register.close()


def _remove_whole(backend: RendezvousBackend, purpose: str) -> int:
    register = backend.sibling(purpose)
    try:
        return int(isinstance(register, SupportsDelete) and register.delete_state())
    finally:
        register.close()

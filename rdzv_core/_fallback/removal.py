"""Removing the registers that the fallbacks have made for a run, once no node needs them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.pages import page_purpose
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Page
from rdzv_core._fallback.store import store_purpose
from rdzv_core.abc import RendezvousBackend, SupportsDelete, SupportsMembership, SupportsStore, Token

_MISSING_PAGES = 2
"""So many pages in a row that are not there are the end of them: entries that failed half way may leave a gap."""


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
        pages = list(_pages(registers, 0 if directory is None else directory.pages))
        listed = frozenset[str]() if directory is None else directory.members()
        slots = [slot for _, page, _ in pages for slot in page.slots.values()]
        if any(slot.id in listed and not slot.gone and not has_gone(slot.payload) for slot in slots):
            return 0
        if directory is not None and not _remove(backend, "members", token):
            return 0
        removed = int(directory is not None) + _remove(backend, "members.incarnation", incarnation)
        return removed + sum(_remove(backend, page_purpose(number), token) for number, _, token in pages)
    finally:
        registers.close()


def _pages(registers: Registers, at_least: int) -> Iterator[tuple[int, Page, Token | None]]:
    missing = 0
    for number in itertools.count():
        page, token = registers.page(number).read()
        missing = missing + 1 if page is None else 0
        if page is not None:
            yield number, page, token
        if number >= at_least and missing >= _MISSING_PAGES:
            return


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

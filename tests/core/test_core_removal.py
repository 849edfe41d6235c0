"""Removing what a run has left: everything when it is over, nothing that anybody may still need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rdzv_core import (
    RendezvousBackend,
    RendezvousHandler,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
    SupportsDelete,
    Token,
    create_handler,
)
from rdzv_core._fallback import RegisterMembership, remove_memberships
from rdzv_core._removal import is_over, remove_run
from rdzv_core.inspection import inspect_run
from rdzv_core.memory import MemoryBackend, MemoryHub
from rdzv_core.registry import BackendRegistry


class DeletingBackend(RendezvousBackend, SupportsDelete):
    """A backend with three methods: core's fallbacks do the rest."""

    def __init__(self, inner: MemoryBackend) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return "deleting"

    def get_state(self) -> StateSnapshot | None:
        return self.inner.get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        return self.inner.set_state(state, token)

    def delete_state(self, token: Token | None = None) -> bool:
        return self.inner.delete_state(token)

    def sibling(self, purpose: str) -> DeletingBackend:
        return DeletingBackend(self.inner.sibling(purpose))


@pytest.fixture
def hub() -> MemoryHub:
    """Where all registers are."""
    return MemoryHub()


@pytest.fixture
def make(hub: MemoryHub) -> Iterator[Callable[..., Any]]:
    """Makes a backend or a handler of the run."""
    params = RendezvousParameters("deleting", "", "run", 1, 1, keep_alive_interval=0.5)
    with ExitStack() as closing:

        def make_one(handler: bool = False) -> Any:
            def factory(params: RendezvousParameters) -> DeletingBackend:
                return DeletingBackend(MemoryBackend(params, hub))

            if not handler:
                return factory(params)
            registry = BackendRegistry()
            registry.register("deleting", factory)
            made = create_handler(params, registry)
            closing.callback(made.close)
            return made

        yield make_one


def _meet(make: Callable[..., Any]) -> RendezvousHandler:
    handler: RendezvousHandler = make(handler=True)
    info = handler.next_rendezvous()
    assert info.store is not None
    info.store.set("key", b"value")
    return handler


def test_of_a_run_that_is_over_every_register_is_removed(make: Callable[..., Any], hub: MemoryHub) -> None:
    """Head, directory, incarnation record, slot and the store of the rounds; then it is as if it never was."""
    _meet(make).finish()
    assert len(hub.raw) == 5
    found = inspect_run(make())
    assert is_over(found)
    assert remove_run(make()) == 5
    assert dict(hub.raw) == {}
    _meet(make)


def test_pages_of_members_are_removed_though_others_before_them_were_never_there(
    make: Callable[..., Any], hub: MemoryHub
) -> None:
    """Where many are needed a node takes a slot in any of the pages that they will fill."""
    backend = make()
    backend.params = RendezvousParameters("deleting", "", "run", 800, 800)
    members = RegisterMembership(backend)
    leases = [members.enter(b"", 60.0) for _ in range(5)]
    assert remove_memberships(make(), lambda payload: False) == 0
    for lease in leases:
        members.leave(lease)
    members.close()
    assert len(hub.raw) > 2
    registers = len(hub.raw)
    assert remove_memberships(make(), lambda payload: False) == registers
    assert dict(hub.raw) == {}


def test_of_a_run_at_work_nothing_is_removed(make: Callable[..., Any]) -> None:
    """A live member makes a run one that is not over."""
    _meet(make)
    assert not is_over(inspect_run(make()))


def test_who_joins_meanwhile_keeps_what_it_has(make: Callable[..., Any], hub: MemoryHub) -> None:
    """A run that was over when it was looked at, and is not any more: only what nobody uses goes."""
    _meet(make).finish()
    assert is_over(inspect_run(make()))
    before = set(hub.raw)
    make().delete_state()  # somebody else has removed the head, and a node has founded a new epoch
    handler = _meet(make)
    remove_run(make())
    assert set(hub.raw) & before, "the memberships of the node that came are gone"
    assert handler.wait_for_change(10) is not None  # the reset, as after any other

"""A handler's access to its backend: what it opens, and that all of that ends with it."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousHandler,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
    Token,
)
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core.memory import MemoryBackend


class TwoMethods(RendezvousBackend):
    """Registers and nothing else; knows how many of it are open. One whose purpose is `stuck` cannot be closed."""

    open: set[TwoMethods]
    stuck = "nothing"

    def __init__(self, inner: MemoryBackend, purpose: str = "") -> None:
        self._inner, self._purpose = inner, purpose
        self.open.add(self)

    @property
    def name(self) -> str:
        return "two"

    def get_state(self) -> StateSnapshot | None:
        return self._inner.get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        return self._inner.set_state(state, token)

    def sibling(self, purpose: str) -> TwoMethods:
        return type(self)(self._inner.sibling(purpose), purpose)

    def close(self) -> None:
        self.open.discard(self)
        self._inner.close()
        if self._purpose == self.stuck:
            raise OSError("on purpose")


@pytest.fixture
def two() -> type[TwoMethods]:
    """A class of the test's own."""
    return type("Two", (TwoMethods,), {"open": set()})


def _params(**config: Any) -> RendezvousParameters:
    options = {"last_call_timeout": 0.05, "keep_alive_interval": 1.0, "fence_delay": 0.05, "node_id": "a", **config}
    return RendezvousParameters("memory", uuid.uuid4().hex, uuid.uuid4().hex, 1, 1, **options)


def _handler(two: type[TwoMethods]) -> RendezvousHandler:
    params = _params()
    return RendezvousHandler(two(MemoryBackend.from_params(params)), params)


def test_a_node_holds_no_more_registers_after_many_rounds_than_after_one(two: type[TwoMethods]) -> None:
    """The rounds' stores share one, and the rosters' are closed at once."""
    handler = _handler(two)
    opened = []
    for number in range(1, 8):
        info = handler.next_rendezvous()
        assert info.round == number
        assert info.master_port
        opened.append(len(two.open))
    assert opened == opened[:1] * 7
    handler.close()
    assert not two.open


@pytest.mark.parametrize("native", [True, False])
def test_after_close_no_store_is_opened(native: bool, two: type[TwoMethods]) -> None:
    """Nobody would close it."""
    backend = MemoryBackend.from_params(_params())
    access = StoreAdapter(backend if native else two(backend))
    access.close()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        access.store("epoch", 1)
    assert not two.open


@pytest.mark.parametrize("stuck", ["", "members"])
def test_what_cannot_be_closed_keeps_nothing_else_open(stuck: str, two: type[TwoMethods]) -> None:
    """Neither the node's own register nor a sibling: no register stays, no thread, and the error comes out, once."""
    before = set(threading.enumerate())
    two.stuck = stuck
    handler = _handler(two)
    handler.next_rendezvous()
    with pytest.raises(OSError, match="on purpose"):
        handler.close()
    assert not two.open
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("rdzv")]
    handler.close()

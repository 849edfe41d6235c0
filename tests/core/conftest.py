"""What the tests of core share: parameters, a clock of the test's own, backends with and without capabilities."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from rdzv_core import RendezvousBackend, RendezvousParameters, SetStateResult, StateSnapshot, Token
from rdzv_core.memory import MemoryBackend, MemoryHub

T = TypeVar("T")

_endpoints = itertools.count()

# A busy machine is not a reason for a property to fail.
settings.register_profile("rdzv", deadline=None)
settings.load_profile("rdzv")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


class BareBackend(RendezvousBackend):
    """A backend with two methods, on the registers of the memory backend; `before` is called ahead of every call.

    `before(what, key)` may raise, or do something in between; what it gives, if not None, is called after the call has
    taken effect and before its answer is given.
    """

    def __init__(self, inner: MemoryBackend, before: Callable[[str, str], Callable[[], None] | None] | None = None):
        self.inner = inner
        self.before = before
        self.open_siblings: list[BareBackend] = []
        self.closed = False

    @property
    def name(self) -> str:
        return "bare"

    def get_state(self) -> StateSnapshot | None:
        return self._call("get", self.inner.get_state)

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        return self._call("set", lambda: self.inner.set_state(state, token))

    def _call(self, what: str, call: Callable[[], T]) -> T:
        after = self.before(what, self.inner.key) if self.before else None
        result = call()
        if after is not None:
            after()
        return result

    def sibling(self, purpose: str) -> BareBackend:
        made = BareBackend(self.inner.sibling(purpose), self.before)
        self.open_siblings.append(made)
        return made

    def close(self) -> None:
        self.closed = True
        self.inner.close()


@pytest.fixture
def make_params() -> Callable[..., RendezvousParameters]:
    """Makes parameters; the endpoint, if not given, is one that nobody else uses."""
    own = f"test-{next(_endpoints)}"

    def make(backend: str = "memory", endpoint: str = own, run_id: str = "run", **config: Any) -> RendezvousParameters:
        return RendezvousParameters(backend, endpoint, run_id, 1, 2, **config)

    return make


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@pytest.fixture
def hub(clock: Clock) -> MemoryHub:
    """A memory hub of the test's own, on the test's clock."""
    return MemoryHub(clock)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes what is pushed onto it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def make_memory(
    hub: MemoryHub, make_params: Callable[..., RendezvousParameters], closing: ExitStack
) -> Callable[..., MemoryBackend]:
    """Makes memory backends on the test's hub."""

    def make(run_id: str = "run") -> MemoryBackend:
        backend = MemoryBackend(make_params(run_id=run_id), hub)
        closing.callback(backend.close)
        return backend

    return make


@pytest.fixture
def make_bare(make_memory: Callable[..., MemoryBackend], closing: ExitStack) -> Callable[..., BareBackend]:
    """Makes backends of two methods on the test's hub; all of one run share their registers."""

    def make(before: Callable[[str, str], Callable[[], None] | None] | None = None, run_id: str = "run") -> BareBackend:
        backend = BareBackend(make_memory(run_id), before)
        closing.callback(backend.close)
        return backend

    return make

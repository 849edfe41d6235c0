"""Any backend as if it had a register and nothing else: core's fallbacks do the rest. Counts what they ask of it."""

from __future__ import annotations

import threading
from collections import Counter

from rdzv_core import (
    RendezvousBackend,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
    Token,
    create_backend,
    register_backend,
)
from rdzv_core.options import accepts_options, options_of
from rdzv_core.registry import default_registry

SUFFIX = "-two-methods"
"""The end of such a backend's name in the benchmarks: `redis-two-methods`."""

ASKED = ("reads", "writes", "writes refused", "instances")
CALLS: Counter[str] = Counter()
"""How often all instances in this process were asked for each of `ASKED`, and how many of them were made."""

_counting = threading.Lock()


class TwoMethods(RendezvousBackend):
    """`get_state` and `set_state` of another backend."""

    def __init__(self, inner: RendezvousBackend, name: str) -> None:
        self._inner, self._name = inner, name
        self.max_state_bytes = inner.max_state_bytes
        _count("instances")

    @property
    def name(self) -> str:
        return self._name

    def get_state(self) -> StateSnapshot | tuple[bytes, Token] | None:
        _count("reads")
        return self._inner.get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | tuple[bytes, Token, bool] | None:
        result = self._inner.set_state(state, token)
        _count("writes" if result is not None and result[2] else "writes refused")
        return result

    def sibling(self, purpose: str) -> TwoMethods:
        return TwoMethods(self._inner.sibling(purpose), self._name)

    def close(self) -> None:
        self._inner.close()


def register_two_methods(name: str) -> None:
    """Register the backend that a name with that suffix means, in this process; any other name is left alone."""
    if not name.endswith(SUFFIX):
        return
    backend = name.removesuffix(SUFFIX)

    @accepts_options(*options_of(default_registry().load(backend)))
    def factory(params: RendezvousParameters) -> TwoMethods:
        return TwoMethods(create_backend(params.with_backend(backend, **params.config)), name)

    register_backend(name, factory)


def _count(what: str) -> None:
    with _counting:
        CALLS[what] += 1

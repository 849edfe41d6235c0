"""What is asked about the stores of rounds."""

from __future__ import annotations

from rdzv_tcp._protocol import Answer, StoreCount, StoreGet, StoreWrite
from rdzv_tcp._server.outcomes import Caller, Write
from rdzv_tcp._server.wait_requests import StoreWait
from rdzv_tcp._state.state import Effect
from rdzv_tcp._state.stores import Stores


class StoreService:
    """Answers requests about stores, and applies writes to them."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def get(self, request: StoreGet, _: Caller) -> StoreWait:
        """Wait until all keys are set."""
        return StoreWait(self._stores, request)

    def count(self, request: StoreCount, _: Caller) -> Answer:
        """Answer with the number of keys."""
        return self._stores.count(request)

    def write(self, request: StoreWrite, _: Caller) -> Write:
        """Commit any write."""
        return Write(request)

    def apply(self, request: StoreWrite, _: Caller, displaced: str | None = None) -> Effect:
        """Apply a write; `displaced` is the store that it displaces, where that was decided before."""
        outcome = self._stores.change(request, displaced)
        topics = [(request.run, request.prefix, key) for key in outcome.set_keys]
        return Effect(outcome.answer, topics, None if outcome.displaced is None else (request.run, outcome.displaced))

"""What is asked about registers."""

from __future__ import annotations

from rdzv_tcp._protocol import Answer, Get, ListKeys, RawGet, RegisterWrite, Wait
from rdzv_tcp._server.outcomes import Caller, Write
from rdzv_tcp._server.wait_requests import RegisterWait
from rdzv_tcp._state.state import Effect
from rdzv_tcp._state.table import Table


class RegisterService:
    """Answers requests about registers, and applies writes to them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, request: Get, _: Caller) -> Answer:
        """Answer with what is there."""
        return self._table.look(request.key)

    def raw_get(self, request: RawGet, _: Caller) -> Answer:
        """Answer with what a store would keep."""
        return self._table.raw_get(request)

    def list_keys(self, request: ListKeys, _: Caller) -> Answer:
        """Answer with the next keys."""
        return self._table.list_keys(request)

    def wait(self, request: Wait, _: Caller) -> RegisterWait:
        """Wait for another token."""
        return RegisterWait(self._table, request)

    def write(self, request: RegisterWrite, _: Caller) -> Write:
        """Commit any write."""
        return Write(request)

    def apply(self, request: RegisterWrite, _: Caller) -> Effect:
        """Apply a write."""
        before = self._table.record(request.key)
        answer = self._table.write(request)
        return Effect(answer, () if self._table.record(request.key) is before else (request.key,))

"""How a write takes effect: at once in memory, or with others by way of the disk (`rdzv_tcp._wal.group_commit`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rdzv_tcp._protocol import Answer, WriteRequest
from rdzv_tcp._server.outcomes import Caller
from rdzv_tcp._server.waiters import WaiterOwner, Waiters
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.state import Effect, members_topic
from rdzv_tcp._wal.group_commit import Writer


class Client(Writer, Caller, WaiterOwner, Protocol):
    """The connection whose write it is."""

    def answer(self, request_id: int, answer: Answer) -> None:
        """Send an answer, unless the connection is about to end."""


class Commit(Protocol):
    """Makes writes take effect, in the order in which they were submitted, and answers them."""

    def submit(self, writer: Client, request_id: int, request: WriteRequest) -> None:
        """Do what `request` asks, and answer it then."""

    def end(self, members: list[bytes]) -> None:
        """End the members whose time is over."""

    async def close(self) -> None:
        """Finish what was submitted."""


class ImmediateCommit:
    """Writes that are in memory alone."""

    def __init__(self, apply: Callable[[WriteRequest, Caller], Effect], waiters: Waiters, members: Memberships) -> None:
        self._apply = apply
        self._waiters = waiters
        self._members = members

    def submit(self, writer: Client, request_id: int, request: WriteRequest) -> None:
        effect = self._apply(request, writer)
        # The writer's answer goes first: the waiters that are woken compete with it for this thread.
        writer.answer(request_id, effect.answer)
        if effect.topics or effect.dropped is not None:
            self._waiters.changed(effect.topics, writer, effect.dropped)

    def end(self, members: list[bytes]) -> None:
        self._waiters.changed(map(members_topic, self._members.end(members)))

    async def close(self) -> None:
        pass

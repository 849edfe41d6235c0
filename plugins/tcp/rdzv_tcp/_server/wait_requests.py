"""What a client can wait for: what has to change, and the answer then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

from rdzv_tcp._protocol import Answer, Changed, StoreGet, Unchanged, Wait, WaitMembers
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.state import members_topic
from rdzv_tcp._state.stores import Stores
from rdzv_tcp._state.table import Table

_KEY_BYTES = 64


class WaitRequest(ABC):
    """A request that is answered once something has changed, or after `seconds`.

    All requests with the same `likeness` that wait for the same topic get the same answer, in the same encoded bytes.
    """

    __slots__ = ("seconds",)

    seconds: float

    @property
    @abstractmethod
    def likeness(self) -> Hashable:
        """What distinguishes the answers of those who wait for the same topic."""

    @property
    @abstractmethod
    def size(self) -> int:
        """About how many bytes are kept while it waits, beside what every request costs."""

    @abstractmethod
    def topic(self) -> Hashable | None:
        """Return what has to change before there is an answer; None: there is one."""

    @abstractmethod
    def answer(self) -> Answer:
        """Return the answer of now."""

    def timeout_answer(self) -> Answer:
        """Return the answer when the time is over."""
        return Unchanged()


class RegisterWait(WaitRequest):
    """Waits until a register's token is not the one that the client knows."""

    __slots__ = ("_request", "_table")

    def __init__(self, table: Table, request: Wait) -> None:
        self._table, self._request, self.seconds = table, request, request.seconds

    @property
    def size(self) -> int:
        return len(self._request.key)

    @property
    def likeness(self) -> Hashable:
        return None

    def topic(self) -> Hashable | None:
        return self._request.key if self._table.token(self._request.key) == self._request.token else None

    def answer(self) -> Answer:
        return self._table.look(self._request.key)


class MembersWait(WaitRequest):
    """Waits until a run's version is not the one that the client knows."""

    __slots__ = ("_members", "_request")

    def __init__(self, members: Memberships, request: WaitMembers) -> None:
        self._members, self._request, self.seconds = members, request, request.seconds

    @property
    def size(self) -> int:
        return len(self._request.run) + len(self._request.version)

    @property
    def likeness(self) -> Hashable:
        return None

    def topic(self) -> Hashable | None:
        run = self._request.run
        return members_topic(run) if self._members.version(run) == self._request.version else None

    def answer(self) -> Answer:
        return Changed()


class StoreWait(WaitRequest):
    """Waits for keys of a store to be set: for one at a time, in whatever order they come."""

    __slots__ = ("_request", "_stores")

    def __init__(self, stores: Stores, request: StoreGet) -> None:
        self._stores, self._request, self.seconds = stores, request, request.seconds

    @property
    def size(self) -> int:
        request = self._request
        return len(request.run) + len(request.prefix) + sum(_KEY_BYTES + len(key) for key in request.keys)

    @property
    def likeness(self) -> Hashable:
        return (*self._request.keys, self._request.values)

    def topic(self) -> Hashable | None:
        return self._stores.missing(self._request)

    def answer(self) -> Answer:
        return self._stores.get(self._request)

    def timeout_answer(self) -> Answer:
        return self.answer()

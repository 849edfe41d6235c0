"""What a client can wait for: what has to change, and what it is told then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

from rdzv_tcp._protocol import Answer, Changed, StoreGet, Unchanged, Wait, WaitMembers
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.stores import Stores
from rdzv_tcp._state.table import Table

_KEY_BYTES = 64


class WaitRequest(ABC):
    """A request that is answered once something has changed, or after its time.

    Whoever asks a question with the same `likeness` is told the same, in the same encoded bytes.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def likeness(self) -> Hashable:
        """What tells one answer from another among those who wait for the same topic."""

    @property
    @abstractmethod
    def size(self) -> int:
        """About how many bytes are kept while it waits, beside what every question costs."""

    @abstractmethod
    def topic(self) -> Hashable | None:
        """Give what has to change before there is an answer; None: there is one."""

    @abstractmethod
    def answer(self) -> Answer:
        """Give what is to be told now."""

    def in_vain(self) -> Answer:
        """Give what is to be told when the time is over."""
        return Unchanged()


class RegisterWait(WaitRequest):
    """Waits for a register's token not to be the one that is known."""

    __slots__ = ("_request", "_table")

    def __init__(self, table: Table, request: Wait) -> None:
        self._table, self._request = table, request

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
    """Waits for a run's version not to be the one that is known."""

    __slots__ = ("_members", "_request")

    def __init__(self, members: Memberships, request: WaitMembers) -> None:
        self._members, self._request = members, request

    @property
    def size(self) -> int:
        return len(self._request.run) + len(self._request.version)

    @property
    def likeness(self) -> Hashable:
        return None

    def topic(self) -> Hashable | None:
        run = self._request.run
        return ("members", run) if self._members.version(run) == self._request.version else None

    def answer(self) -> Answer:
        return Changed()


class StoreWait(WaitRequest):
    """Waits for keys of a store to be there: for one at a time, in whatever order they come."""

    __slots__ = ("_request", "_stores")

    def __init__(self, stores: Stores, request: StoreGet) -> None:
        self._stores, self._request = stores, request

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

    def in_vain(self) -> Answer:
        return self.answer()

"""What a job gets from a rendezvous, and what it is told when that is out of date."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from rdzv_core.abc import Store


class ChangeReason(enum.Enum):
    """Why a node should stop its work and join again."""

    WAITING = "a node is waiting to join"
    ASKED = "a member of the round asked for the next one"
    LOST = "a member of the round left or was lost"
    FENCED = "this node's membership has ended: stop the work now"
    CLOSED = "the run was closed: no further round forms"
    STORE_LOST = "the store lost the run's state: all nodes have to join again"


@dataclass(frozen=True)
class Change:
    """How the present differs from the roster held."""

    reason: ChangeReason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason.name}: {self.detail}"


T = TypeVar("T")


class _fetched(Generic[T]):  # noqa: N801 - it reads as `property` does
    """A property that is fetched when it is first asked for.

    Not `functools.cached_property`: before Python 3.12 that holds one lock for all instances while it fetches, so that
    waiting for what a round that is over never told would hold up every later round. Of two threads both may fetch.
    """

    def __init__(self, fetch: Callable[[Any], T]) -> None:
        self._fetch = fetch
        self.__doc__ = fetch.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _fetched[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> _fetched[T] | T:
        if instance is None:
            return self
        known: dict[str, Any] = instance.__dict__
        found: T = known[self._name] if self._name in known else known.setdefault(self._name, self._fetch(instance))
        return found


@dataclass(frozen=True)
class RendezvousInfo:
    """What this node has in common with the others of its round.

    `rank` is 0..`world_size`-1. `fence` grows by one with every roster of an `epoch`: make whatever the job writes
    outside conditional on it. `master_addr` and `master_port` are those of rank 0.

    Where nodes run several processes of the job each (the option `workers`), those are ranked too, node by node:
    `worker_ranks` are the ranks of this node's, out of `worker_count` of all nodes.
    """

    rank: int
    world_size: int
    round: int
    epoch: str
    fence: int
    worker_ranks: range
    worker_count: int
    _peers: Callable[[], list[str]] = field(repr=False, compare=False)
    _open_store: Callable[[], Store] = field(repr=False, compare=False)
    _master: Callable[[RendezvousInfo], tuple[str, int]] = field(repr=False, compare=False)

    @_fetched
    def peers(self) -> list[str]:
        """The addresses of all nodes, by rank; those of many nodes are fetched from the store when first asked for.

        Raises `RendezvousStateError` if the store has none any more, because two later rounds have formed meanwhile.
        """
        return self._peers()

    @_fetched
    def store(self) -> Store:
        """A key-value store private to this round. Thread-safe; it ends with the handler.

        A read that waits raises `RendezvousRoundOverError` when the round is over: a peer that was lost sets no key.
        Without a timeout it waits 300 s at most, and for one ttl after `ChangeReason.WAITING`; a read with a timeout
        goes on after WAITING, so that nodes can agree through the store on where to stop.
        """
        return self._open_store()

    @property
    def master_addr(self) -> str:
        """The address of rank 0."""
        return self._endpoint[0]

    @property
    def master_port(self) -> int:
        """A port that was free on rank 0 when rank 0 looked; waits until rank 0 has said so through the store."""
        return self._endpoint[1]

    @_fetched
    def _endpoint(self) -> tuple[str, int]:
        return self._master(self)

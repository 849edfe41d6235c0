"""Between a node and the store: delays, lost requests, lost answers, and being cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rdzv_conformance.simulation._store import SimStore
from rdzv_conformance.simulation._world import World
from rdzv_core import RendezvousConnectionError, RendezvousStateError
from rdzv_core.handler import io
from rdzv_core.handler.head import encode_head
from rdzv_core.handler.roster import page_of, rank_in, unpack_roster

Answer = Callable[[Any], None]


@dataclass
class Network:
    """Carries operations to the store and answers back; `timeout` is when an unanswered one fails.

    `loss` is the share of messages that never arrive, `late` of those that come seconds late, out of order and perhaps
    after their sender has given up.
    """

    world: World
    store: SimStore
    delay: float = 0.005
    loss: float = 0.0
    late: float = 0.01
    timeout: float = 2.0
    cut_off: set[str] = field(default_factory=set)

    def carry(self, node: str, operation: io.Operation, answer: Answer, fail: Callable[[Exception], None]) -> None:
        """Send `operation`; in the end exactly one of `answer` and `fail` is called."""
        open_ = [True]
        sequence = operation.member.next_sequence() if isinstance(operation, (io.Update, io.Refresh)) else 0

        def finish(result: Any) -> None:
            if not open_[0] or self._lost(node):
                return
            self.world.later(self._delay(), lambda: self._settle(open_, node, answer, result))

        def give_up() -> None:
            if open_[0]:
                open_[0] = False
                fail(RendezvousConnectionError(f"simulated: no answer to {type(operation).__name__}"))

        self.world.later(self.timeout + getattr(operation, "timeout", 0.0), give_up)
        if not self._lost(node):
            self.world.later(self._delay(), lambda: self._arrive(node, operation, sequence, finish))

    def _arrive(self, node: str, operation: io.Operation, sequence: int, finish: Answer) -> None:
        if node not in self.cut_off:
            self._execute(operation, sequence, finish)

    def _settle(self, open_: list[bool], node: str, answer: Answer, result: Any) -> None:
        if open_[0] and node not in self.cut_off:
            open_[0] = False
            answer(result)

    def _lost(self, node: str) -> bool:
        return node in self.cut_off or self.world.random.random() < self.loss

    def _delay(self) -> float:
        delay = self.world.random.expovariate(1 / self.delay)
        return delay + self.world.random.uniform(0.5, 5.0) if self.world.random.random() < self.late else delay

    def _execute(self, operation: io.Operation, sequence: int, finish: Answer) -> None:  # noqa: C901 - one line a kind
        store = self.store
        match operation:
            case io.ReadHead():
                finish(store.read())
            case io.WriteHead():
                if operation.roster is not None:
                    store.rosters.setdefault(operation.roster.digest, operation.roster)
                finish(store.write(encode_head(operation.head), operation.token))
            case io.FetchRoster():
                finish(self._whole(operation.digest))
            case io.FindRank():
                finish(self._rank(operation))
            case io.ReadMembers():
                finish(store.view(operation.limit))
            case io.Enter():
                finish(store.enter(operation.payload, operation.ttl))
            case io.Update():
                finish(store.refresh(operation.member, sequence, operation.payload))
            case io.Refresh():
                finish(store.refresh(operation.member, sequence))
            case io.Leave():
                store.leave(operation.member)
                finish(None)
            case io.WaitHead():
                self._wait(operation.timeout, store.head_waiters, lambda: self._head_changed(operation), finish)
            case io.WaitMembers():
                self._wait(operation.timeout, store.member_waiters, lambda: self._members_changed(operation), finish)

    def _whole(self, digest: str) -> Any:
        packed = self.store.rosters.get(digest)
        return unpack_roster(digest, packed.whole) if packed is not None else _missing(digest)

    def _rank(self, operation: io.FindRank) -> Any:
        packed = self.store.rosters.get(operation.digest)
        if packed is None:
            return _missing(operation.digest)
        return rank_in(packed.pages[page_of(operation.member, operation.pages)], operation.member)

    def _head_changed(self, operation: io.WaitHead) -> tuple[bool, Any]:
        snapshot = self.store.read()
        return (None if snapshot is None else snapshot.token) != operation.token, snapshot

    def _members_changed(self, operation: io.WaitMembers) -> tuple[bool, Any]:
        return self.store.version != operation.version, None

    def _wait(
        self, timeout: float, waiters: list[Callable[[], None]], look: Callable[[], tuple[bool, Any]], finish: Answer
    ) -> None:
        over = [False]

        def end(changed: bool, snapshot: Any) -> None:
            over[0] = True
            finish((changed, snapshot))

        def wake() -> None:
            if over[0]:
                return
            changed, snapshot = look()
            if changed:
                end(True, snapshot)
            else:
                waiters.append(wake)

        def expire() -> None:
            if not over[0]:
                end(*look())

        wake()
        self.world.later(timeout, expire)


def _missing(digest: str) -> RendezvousStateError:
    return RendezvousStateError(f"no roster {digest}")

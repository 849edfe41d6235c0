"""Between a node and the store: delays, lost requests, lost answers, late ones, and being cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rdzv_core import RendezvousConnectionError, RendezvousStateError
from rdzv_core._handler import operations
from rdzv_core._handler.head import encode_head
from rdzv_core._handler.roster import page_of, rank_in, unpack_roster
from rdzv_simulation._chance import Chance
from rdzv_simulation._store import SimStore
from rdzv_simulation._world import Event, World

if TYPE_CHECKING:
    from rdzv_simulation._node import Node

TIMEOUT = 2.0
"""Seconds after which an operation without an answer fails; a wait may take its own timeout longer."""

_LATE = 0.6
"""Seconds from which a message counts as late, and stands in the trace."""

_REFUSED_AFTER = 0.003
"""Seconds until a node knows that nobody listens, or that its connection has ended."""

_WAITS: Any = object()


class Call:
    """One operation under way: in the end it is settled exactly once, by an answer or as failed."""

    __slots__ = ("back", "broken", "expiry", "node", "open", "operation", "sequence", "until")

    def __init__(
        self, node: Node, operation: operations.Operation, sequence: int, back: float | None, until: float
    ) -> None:
        self.node, self.operation, self.sequence = node, operation, sequence
        self.back, self.until = back, until
        self.open, self.broken = True, False
        self.expiry: Event | None = None


class Network:
    """Carries operations to the store and answers back.

    `cut_off` and `mute` say until when a node's messages, or only the answers to it, are lost; `slow` until when they
    take how much longer. `ambush`, if set, is how long the next node freezes that is about to write a roster.
    `stray_until` is when the last request arrives whose sender has given it up by then.
    """

    def __init__(self, world: World, store: SimStore, chance: Chance) -> None:
        self.world, self.store, self.chance = world, store, chance
        self.cut_off: dict[str, float] = {}
        self.mute: dict[str, float] = {}
        self.slow: dict[str, tuple[float, float]] = {}
        self.ambush = 0.0
        self.stray_until = float("-inf")
        self._under_way: dict[Call, None] = {}

    def break_all(self, lost: bool) -> None:
        """End what is under way: each request and each answer is `lost`, or its sender is told at once that it is."""
        calls, self._under_way = self._under_way, {}
        for call in calls:
            call.broken = True
            if not lost:
                self._refuse(call)
            elif call.expiry is not None:
                self._lose(call)

    def carry(self, node: Node, operation: operations.Operation) -> None:
        """Send `operation`; in the end exactly one of the node's `answered` and `failed` is called."""
        world = self.world
        out, back = self.chance.fate(node.name)
        sequence = (
            operation.member.next_sequence() if isinstance(operation, (operations.Update, operations.Refresh)) else 0
        )
        patience = TIMEOUT + getattr(operation, "timeout", 0.0)
        call = Call(node, operation, sequence, back, world.time + patience)
        self._under_way[call] = None
        if (
            self.ambush
            and out is not None
            and isinstance(operation, operations.WriteHead)
            and operation.head.incarnation
        ):
            seconds, self.ambush = self.ambush, 0.0
            node.stall(seconds, "between reading and writing")
            out, call.until = out + seconds, call.until + seconds
        if world.tracing and (world.tracing > 1 or out is None or back is None or out + back > _LATE):
            self._tell(call, out)
        if out is None or self._is_cut(node.name):
            world.later(call.until - world.time, self._give_up, call)
            return
        if out >= patience:
            world.later(patience, self._give_up, call)
            self.stray_until = max(self.stray_until, world.time + out)
        world.later(out, self._arrive, call)

    def _is_cut(self, name: str) -> bool:
        return bool(self.cut_off) and self.cut_off.get(name, -1.0) > self.world.time

    def _arrive(self, call: Call) -> None:
        if self.store.away == "silent" or call.broken or self._is_cut(call.node.name):
            self._lose(call)
            return
        if self.store.away:
            self._refuse(call)
            return
        result = self._execute(call)
        if result is not _WAITS:
            self._finish(call, result)

    def _finish(self, call: Call, result: Any) -> None:
        """Send the answer."""
        if not call.open:
            return
        name, back, world = call.node.name, call.back, self.world
        if self.slow and back is not None:
            until, longer = self.slow.get(name, (0.0, 0.0))
            back += longer if until > world.time else 0.0
        if back is None or call.broken or world.time + back > call.until or self.mute.get(name, -1.0) > world.time:
            self._lose(call)
        else:
            world.later(back, self._settle, call, result)

    def _settle(self, call: Call, result: Any) -> None:
        if not call.open:
            return
        if call.broken or self._is_cut(call.node.name):
            self._lose(call)
            return
        self._end(call)
        if isinstance(result, Exception):
            call.node.failed(call.operation, result)
        else:
            call.node.answered(call.operation, result)

    def _lose(self, call: Call) -> None:
        if call.open:
            self.world.later(call.until - self.world.time, self._give_up, call)

    def _refuse(self, call: Call) -> None:
        """Let its sender know, a moment later, that nobody is there."""
        if call.open:
            self._end(call)
            error = RendezvousConnectionError(f"simulated: {type(call.operation).__name__} was refused")
            self.world.later(_REFUSED_AFTER, call.node.failed, call.operation, error)

    def _end(self, call: Call) -> None:
        call.open = False
        self._under_way.pop(call, None)

    def _give_up(self, call: Call) -> None:
        if call.open:
            self._end(call)
            text = f"simulated: no answer to {type(call.operation).__name__}"
            call.node.failed(call.operation, RendezvousConnectionError(text))

    def _tell(self, call: Call, out: float | None) -> None:
        how = "it is lost" if out is None else f"it takes {out:.3f} s"
        back = "" if out is None else "; its answer is lost" if call.back is None else f"; its answer {call.back:.3f} s"
        self.world.note(f"    {call.node.name} sends {type(call.operation).__name__}: {how}{back}")

    def _execute(self, call: Call) -> Any:  # noqa: C901 - one line a kind
        store, operation = self.store, call.operation
        match operation:
            case operations.WaitHead():
                return self._wait(call, operation.timeout, store.head_waiters, self._head_changed)
            case operations.WaitMembers():
                return self._wait(call, operation.timeout, store.member_waiters, self._members_changed)
            case operations.ReadMembers():
                return store.view(operation.limit)
            case operations.Refresh():
                return store.refresh(operation.member, call.sequence)
            case operations.Update():
                return store.refresh(operation.member, call.sequence, operation.payload)
            case operations.ReadHead():
                return store.read()
            case operations.WriteHead():
                if operation.roster is not None:
                    store.rosters.setdefault(operation.roster.digest, operation.roster)
                return store.write(encode_head(operation.head), operation.token)
            case operations.Enter():
                return store.enter(operation.payload, operation.ttl)
            case operations.Leave():
                return store.leave(operation.member)
            case operations.FetchRoster():
                return self._whole(operation.digest)
            case operations.FindRank():
                return self._rank(operation)
        raise TypeError(f"no operation: {operation!r}")

    def _whole(self, digest: str) -> Any:
        packed = self.store.rosters.get(digest)
        return unpack_roster(digest, packed.whole) if packed is not None else _missing(digest)

    def _rank(self, operation: operations.FindRank) -> Any:
        packed = self.store.rosters.get(operation.digest)
        if packed is None:
            return _missing(operation.digest)
        return rank_in(packed.pages[page_of(operation.member, operation.pages)], operation.member)

    def _head_changed(self, call: Call) -> tuple[bool, Any]:
        operation = call.operation
        assert isinstance(operation, operations.WaitHead)
        snapshot = self.store.read()
        changed = (None if snapshot is None else snapshot.token) != operation.token
        return changed, (changed, snapshot)

    def _members_changed(self, call: Call) -> tuple[bool, Any]:
        operation = call.operation
        assert isinstance(operation, operations.WaitMembers)
        changed = self.store.version != operation.version
        return changed, changed

    def _wait(
        self,
        call: Call,
        timeout: float,
        waiters: list[Callable[[], None]],
        look: Callable[[Call], tuple[bool, Any]],
    ) -> Any:
        changed, result = look(call)
        if changed:
            return result

        def wake() -> None:
            """Answer if there is a change, if the time is over, or if the store went down: else wait on."""
            if call.expiry is None:
                return
            if self.store.down or call.broken:
                self._lose(call)
            else:
                changed, result = look(call)
                if not changed and call.expiry[2] is not None:
                    waiters.append(wake)
                    return
                self._finish(call, result)
            self.world.cancel(call.expiry)
            call.expiry = None

        def expire() -> None:
            assert call.expiry is not None
            self.world.cancel(call.expiry)
            wake()

        call.expiry = self.world.later(timeout, expire)
        waiters.append(wake)
        return _WAITS


def _missing(digest: str) -> RendezvousStateError:
    return RendezvousStateError(f"no roster {digest}")

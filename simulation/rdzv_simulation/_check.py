"""The promises and the protocol's invariants, held against what the nodes and the store do after every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rdzv_core._handler.head import Head, RoundId, decode_announcement, decode_head
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.roster import PackedRoster, unpack_roster
from rdzv_simulation._world import World

INVARIANTS = {
    "I1": "At most one roster per round: all nodes that get round r of an epoch get the same roster and fence.",
    "I2": "Ranks are 0..n-1: everybody finds itself at its own rank; no member and no node is in a roster twice.",
    "I3": "No two groups of a run are at work at once.",
    "I4": "While a roster is written nobody is at work.",
    "I5": "Closed absorbs: the head of a closed epoch is never written again, but by an operator's reset.",
    "I6": "Within an epoch round and fence grow together and by one, the revision by each write; the terms stay.",
    "I7": "A roster has from min_nodes to max_nodes members; with fewer than max_nodes, a last call went before it.",
    "I8": "A roster that drops a member which expired at work is written no sooner than the fence delay after that.",
    "I9": "A node that begins to work has said so: its membership announces that round.",
    "I10": "A node that works or writes a roster can prove its lease: its last success was sent less than 0.9 ttl ago.",
    "I11": "An epoch begins only where there is no state, or by an operator's reset.",
    "I12": "In peace all live nodes meet, up to max_nodes, and then no further round forms.",
    "I13": "Nodes and store do not exchange messages without end: the steps of a phase are bounded.",
    "I14": "The state machine never raises; the head stays under 16 KiB.",
    "I15": "A node that left or finished, and was told that this is kept, is never counted as lost.",
    "I16": "A store that is away for less than what the lease provably covers stops nobody.",
    "I17": "A run whose members have all finished forms no further roster.",
    "I18": "A spare ends well: a finished run tells it so without an error, and a full one does not time it out.",
    "I19": "Trouble with the store ends no join before its deadline.",
    "I20": "A member that lives is dropped only by evict_after, and no sooner than that after it was asked to stop.",
}

FASTEST = 1.025
"""How many seconds a node's clock may count in one."""

_HEAD_BYTES = 16 * 1024


class Violation(AssertionError):  # noqa: N818 - that is what it is called
    """An invariant was broken: `number` says which. The message has the seed and the end of the trace."""

    def __init__(self, number: str, text: str, where: str = "", trace: tuple[str, ...] = ()) -> None:
        self.number, self.text, self.where, self.trace = number, text, where, trace
        super().__init__("\n".join([f"{where}{number}: {text}", *trace]))

    def __reduce__(self) -> tuple[object, ...]:
        return Violation, (self.number, self.text, self.where, self.trace)


@dataclass
class Checker:
    """Knows every roster that anybody was given, and who works.

    `last_call`, `fence_delay` and `evict_after` are the run's.
    """

    world: World
    last_call: float = 0.0
    fence_delay: float = 0.0
    evict_after: float | None = None
    rounds: int = 0
    last_formed: float = 0.0
    void_until: float = -1.0
    rosters: dict[tuple[str, int], tuple[object, ...]] = field(default_factory=dict)
    ranks: dict[tuple[str, int, int], str] = field(default_factory=dict)
    working: dict[str, Assignment] = field(default_factory=dict)
    veteran: Callable[[str], bool] = lambda _: True
    """Whether a node has worked in some epoch, as far as its process can know."""
    void_window: float = 0.0
    announced: Callable[[str], bytes | None] = lambda _: None
    """What a member that lives announces, as the store has it."""
    finished: Callable[[], None] = lambda: None
    """Called when a run is closed whose members have all finished."""
    full_since: float = float("inf")
    """Since when every seat of the last roster is taken."""
    _evicted: set[str] = field(default_factory=set)
    _pending: tuple[str, int, float] = ("", 0, 0.0)
    _kept: set[str] = field(default_factory=set)
    _groups: dict[tuple[str, int], int] = field(default_factory=dict)
    _ended: dict[str, tuple[float, bool]] = field(default_factory=dict)
    _called: tuple[str, int, float] = ("", 0, 0.0)
    _head: tuple[bytes | None, Head | None] = (None, None)

    # What the store does

    def written(self, before: bytes | None, after: bytes, rosters: Mapping[str, PackedRoster], reset: bool) -> None:
        """Hold a write of the register against what was there; `rosters` are those too large for a head."""
        old = self._decoded(before)
        new = decode_head(after)
        if new.digest:
            new = new.with_roster(unpack_roster(new.digest, rosters[new.digest].whole))
        self._head = (after, new)
        self._count_seats(new)
        if old is None or reset:
            if new.round:
                raise Violation("I11", f"a new epoch begins with round {new.round}")
            return
        if new.last_call_round == new.round + 1 and self._called[:2] != (new.epoch, new.last_call_round):
            self._called = (new.epoch, new.last_call_round, self.world.time)
        self._changed(old, new)
        if len(after) > _HEAD_BYTES:
            raise Violation("I14", f"the head has {len(after)} bytes")
        self._departures(old, new)
        if new.pending and self._pending[:2] != (new.epoch, new.round):
            self._pending = (new.epoch, new.round, self.world.time)
        if new.closed and self.has_finished(new):
            self.world.note("the run has finished")
            self.finished()
        if new.round != old.round:
            self._roster(old, new)

    def _departures(self, old: Head, new: Head) -> None:
        lost = {member for member, how in new.gone().items() if how == "lost"} - old.gone().keys()
        if missed := self._kept & lost:
            raise Violation("I15", f"{' and '.join(sorted(missed))} said goodbye and counts as lost")
        if new.round == old.round and lost:
            self._evictions(new, lost)

    def _changed(self, old: Head, new: Head) -> None:
        if new.epoch != old.epoch:
            raise Violation("I11", f"epoch {old.epoch} was overwritten by {new.epoch}")
        if old.closed:
            raise Violation("I5", f"the closed run of epoch {old.epoch} was written again")
        if new.revision <= old.revision:
            raise Violation("I6", f"revision {old.revision} was followed by {new.revision}")
        if old.terms is not None and new.terms != old.terms:
            raise Violation("I6", f"the terms {old.terms} were followed by {new.terms}")
        grown = new.round - old.round
        if grown not in (0, 1) or new.fence - old.fence != grown:
            raise Violation("I6", f"round {old.round}/{old.fence} was followed by {new.round}/{new.fence}")

    def has_finished(self, head: Head) -> bool:
        """Whether all members of the last roster are done, by the head and by what those who live announce."""
        gone = head.gone()
        hows = [gone.get(seat.member) or self._says_bye(seat.member) for seat in head.roster]
        return bool(hows) and all(how == "done" for how in hows)

    def _says_bye(self, member: str) -> str:
        payload = self.announced(member)
        says = None if payload is None else decode_announcement(payload)
        return "" if says is None else says.bye

    def _count_seats(self, head: Head) -> None:
        taken = head.size - len([how for how in head.gone().values() if how != "done"])
        full = head.round > 0 and not head.closed and head.terms is not None and taken >= head.terms.max_nodes
        self.full_since = min(self.full_since, self.world.time) if full else float("inf")

    def _evictions(self, new: Head, lost: set[str]) -> None:
        """Hold it against I20 if a member is dropped that lives; what it does from now on is outside the promise."""
        now, since = self.world.time, self._pending
        for member in lost:
            if self.announced(member) is None:
                continue
            asked = since[2] if since[:2] == (new.epoch, new.round) else now
            if self.evict_after is None or (now - asked) * FASTEST < self.evict_after:
                raise Violation("I20", f"{member[:8]} lives, and is dropped {now - asked:.3f} s after it was to stop")
            self.world.note(f"{member[:8]} is evicted")
            self._evicted.add(member)
            self._ended[member] = (now, False)
            for name in [name for name, held in self.working.items() if held.member == member]:
                self.stops(name)

    def _roster(self, old: Head, new: Head) -> None:
        self.world.note(f"the roster of round {new.round}: {', '.join(seat.node for seat in new.roster)}")
        terms, now = new.terms, self.world.time
        if terms is None or not terms.min_nodes <= new.size <= terms.max_nodes:
            raise Violation("I7", f"a roster of {new.size} with {terms}")
        ids, names = {seat.member for seat in new.roster}, {seat.node for seat in new.roster}
        if not len(ids) == len(names) == new.size == len(new.roster):
            raise Violation("I2", f"round {new.round} has somebody twice: {new.roster}")
        if new.size < terms.max_nodes:
            if old.last_call_round != new.round or self._called[:2] != (new.epoch, new.round):
                raise Violation("I7", f"round {new.round} has {new.size} of {terms.max_nodes} and had no last call")
            lasted = now - self._called[2]
            if lasted * FASTEST < self.last_call:
                raise Violation("I7", f"the last call of round {new.round} lasted {lasted:.3f} s")
        if self.has_finished(old):
            raise Violation("I17", f"round {new.round} forms, and all members of round {old.round} have finished")
        self._nobody_works(old, new)

    def _nobody_works(self, old: Head, new: Head) -> None:
        now, ids = self.world.time, {seat.member for seat in new.roster}
        blind = new.round == 1 and self.rosters and not old.previous_epoch
        if blind and not any(self.veteran(seat.node) for seat in new.roster):
            # A register was lost, and of those who worked by it nobody is here to say so: docs/fault-model.md.
            self.void_until = max(self.void_until, now + self.void_window)
        if now < self.void_until:
            return
        for seat in old.roster:
            at, idle = self._ended.get(seat.member, (-1e9, False))
            if seat.member not in ids and not idle and (now - at) * FASTEST < self.fence_delay:
                raise Violation("I8", f"{seat.node} expired {now - at:.3f} s before round {new.round}")
        if self.working:
            who = ", ".join(f"{name} in {held.epoch[:4]}/{held.round}" for name, held in self.working.items())
            raise Violation("I4", f"round {new.round} of {new.epoch[:4]} is written while {who} work")

    def lost_state(self) -> None:
        """Note that the register is lost."""
        self._head, self.full_since = (None, None), float("inf")

    def ended(self, member: str, payload: bytes) -> None:
        """Note that a membership ended."""
        if member in self._evicted:
            return
        says = decode_announcement(payload)
        self._ended[member] = (self.world.time, says is not None and bool(says.bye or says.ask))

    def _decoded(self, state: bytes | None) -> Head | None:
        if state is None:
            return None
        return self._head[1] if self._head[0] == state else decode_head(state)

    # What the nodes do

    def let_go(self, member: str) -> None:
        """Note that a member was told that its goodbye is kept."""
        self._kept.add(member)

    def joined(self, held: Assignment, payload: bytes | None) -> None:
        """Hold a roster that a node was given against those of the others; `payload` is what its membership says."""
        key = (held.epoch, held.round)
        given = (held.digest, held.roster, held.size, held.fence)
        known = self.rosters.get(key)
        if known is None:
            self.rosters[key] = given
            self.rounds += 1
            self.last_formed = self.world.time
        elif known != given:
            raise Violation("I1", f"two rosters for round {held.round} of epoch {held.epoch}")
        named = held.roster[held.rank].member if held.roster else held.member
        if not 0 <= held.rank < held.size or self.ranks.setdefault((*key, held.rank), held.member) != named:
            raise Violation("I2", f"rank {held.rank} of round {held.round} is not who it says")
        says = None if payload is None else decode_announcement(payload)
        if says is not None and says.at != RoundId(held.epoch, held.round):
            raise Violation("I9", f"rank {held.rank} works in round {held.round} and says {says}")

    def begins(self, name: str, held: Assignment) -> None:
        """Note that a node is at work."""
        self.stops(name)
        if held.member in self._evicted:
            return
        self.working[name] = held
        key = (held.epoch, held.round)
        self._groups[key] = self._groups.get(key, 0) + 1
        if len(self._groups) > 1 and self.world.time >= self.void_until:
            raise Violation("I3", f"two groups work at once: {sorted(self._groups)}")

    def stops(self, name: str) -> None:
        """Note that a node is not at work, or that what it does is outside the promise."""
        held = self.working.pop(name, None)
        if held is not None:
            key = (held.epoch, held.round)
            self._groups[key] -= 1
            if not self._groups[key]:
                del self._groups[key]

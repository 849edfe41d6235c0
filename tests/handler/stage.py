"""A stage for the state machine: a store in memory, some machines on one clock, and a script that moves them.

A transcript (`transcripts/*.txt`) is a list of steps. Each is one or more commands, a line `----`, and what the
machines did: operations (`a > refresh`), what the store said to a write or a keep-alive (`a < refused`), outcomes
(`a = joined …`) and changes (`a ! LOST: …`), each with the time in seconds. Nothing is answered unless the script says
so:

    node a nodes=2:3 ttl=15   a machine; also last_call, fence_delay, join_timeout, evict_after, standby_timeout, inline
    a asks                    an event: asks, leaves, finishes, abandons, closes
    answer                    answer all operations and what follows from them, for 10 ms
    answer a refresh          answer one operation
    perform a refresh         the store does it; the answer stays on its way
    deliver a refresh         the answer arrives
    fail a refresh            it fails with a lost connection; `fail a` lets everything fail that is under way
    fail a refresh config     it fails with an error that waiting cannot fix
    wait 4.5                  time passes, nothing is answered
    run 4.5                   time passes, everything is answered at once
    until a > write head      time passes, everything is answered, until the machine does this (60 s at most)
    member b asks 1           somebody else's membership: asks 1, works 1, left, done, garbage or expires; `of e9` names
                              another epoch than the register's, `was e9` the epoch that b worked in before
    head round=1 roster=a,b   the register as somebody else wrote it; also epoch, last_call, pending, departed=lost:a,
                              incarnation, revision; `head begun` (the terms alone), closed, lost, reset, garbage, and
                              back (what it held before the last write)
    members lost              the store lost all memberships
    show head                 what the register holds
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core._handler import operations
from rdzv_core._handler.head import (
    Announcement,
    Head,
    RoundId,
    Seat,
    Terms,
    decode_announcement,
    decode_head,
    encode_announcement,
    encode_head,
    reset_head,
)
from rdzv_core._handler.info import Change
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.settings import HandlerSettings

from .stage_store import MemoryStore

_NAMES = {
    operations.ReadHead: "read head",
    operations.WaitHead: "wait head",
    operations.WriteHead: "write head",
    operations.FetchRoster: "fetch roster",
    operations.FindRank: "find rank",
    operations.ReadMembers: "read members",
    operations.WaitMembers: "wait members",
    operations.Enter: "enter",
    operations.Update: "update",
    operations.Refresh: "refresh",
    operations.Leave: "leave",
}
_LONGEST = 60.0


class Even(random.Random):
    """Chance without chance: always the middle, and ids that count."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._next = first

    def uniform(self, a: float, b: float) -> float:
        """Return the middle."""
        return (a + b) / 2

    def getrandbits(self, k: int, /) -> int:
        """Return the next number."""
        self._next += 1
        return self._next


class Actor:
    """A machine, and what it has under way."""

    def __init__(self, name: str, machine: Machine) -> None:
        self.name, self.machine = name, machine
        self.under_way: list[operations.Operation] = []
        self.answers: dict[operations.Operation, Any] = {}
        self.change: Change | None = None

    def find(self, what: str) -> operations.Operation:
        """Return the operation of that name that was sent last."""
        found = [one for one in self.under_way if _NAMES[type(one)] == what]
        assert found, f"{self.name} has no {what!r} under way, but {[_NAMES[type(one)] for one in self.under_way]}"
        return found[-1]


class Stage:
    """Runs one transcript's commands; what happens is in `lines`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryStore()
        self.actors: dict[str, Actor] = {}
        self.lines: list[str] = []
        self._epochs: dict[str, str] = {}

    def run(self, commands: list[str]) -> list[str]:
        """Run some commands, and return what happened."""
        self.lines = []
        for command in commands:
            first, *words = command.split()
            if first in self.actors:
                self._event(self.actors[first], words[0])
            else:
                getattr(self, f"do_{first}")(*words)
        return _collapsed(self.lines)

    # Commands

    def do_node(self, name: str, *options: str) -> None:
        """Make a machine."""
        given = dict(option.split("=") for option in options)
        least, _, most = given.pop("nodes", "1").partition(":")
        inline = int(given.pop("inline", "8192"))
        names = {"last_call": "last_call_timeout", "interval": "keep_alive_interval"}
        more: dict[str, Any] = {names.get(key, key): float(value) for key, value in given.items()}
        settings = HandlerSettings(int(least), int(most or least), name, f"host-{name}", **more)
        rng = Even(1000 * (len(self.actors) + 1))
        self.actors[name] = Actor(name, Machine(settings, random=rng, inline_roster_bytes=inline))

    def do_answer(self, name: str = "", *what: str) -> None:
        """Answer one operation, or all, and what follows from them."""
        if name:
            actor = self.actors[name]
            self._answer(actor, actor.find(" ".join(what)))
            return
        self.do_run("0.01")

    def do_perform(self, name: str, *what: str) -> None:
        """Have the store do it, and keep the answer."""
        actor = self.actors[name]
        operation = actor.find(" ".join(what))
        actor.answers[operation] = self.store.perform(operation)

    def do_deliver(self, name: str, *what: str) -> None:
        """Hand over an answer that was kept."""
        actor = self.actors[name]
        operation = next(one for one in actor.answers if _NAMES[type(one)] == " ".join(what))
        self._hand_over(actor, operation, actor.answers.pop(operation))

    def do_fail(self, name: str, *what: str) -> None:
        """Make one operation fail, or all."""
        actor = self.actors[name]
        error: Exception = RendezvousConnectionError("connection refused")
        if what and what[-1] == "config":
            what, error = what[:-1], RendezvousConfigurationError("wrong password")
        for operation in [actor.find(" ".join(what))] if what else list(actor.under_way):
            actor.under_way.remove(operation)
            actor.machine.failed(operation, error, self.now)
            self._note(actor)

    def do_wait(self, seconds: str) -> None:
        """Move time on."""
        self._pass(self.now + float(seconds), lambda: None)

    def do_run(self, seconds: str) -> None:
        """Move time on, and answer everything."""
        self._pass(self.now + float(seconds), self._answer_all)

    def do_until(self, *what: str) -> None:
        """Move time on, and answer everything, until a line contains this."""
        wanted = " ".join(what)
        end = self.now + _LONGEST
        self._answer_all()
        while not any(wanted in line for line in self.lines):
            assert self.now < end, f"{wanted!r} has not come within {_LONGEST:g} s"
            self._pass(min([end, *(actor.machine.wake_at for actor in self.actors.values())]), lambda: None)
            self._answer_all()

    def do_member(self, name: str, how: str, *words: str) -> None:
        """Enter, change or end somebody else's membership."""
        number, further = (int(words[0]), words[1:]) if how in ("asks", "works") else (0, words)
        given = dict(zip(further[::2], further[1::2], strict=True))
        round_ = RoundId(given.get("of", self._epoch()), number)
        says = Announcement(
            name.partition("#")[0], f"host-{name.partition('#')[0]}", previous_epoch=given.get("was", "")
        )
        payloads: dict[str, Callable[[], bytes | None]] = {
            "asks": lambda: encode_announcement(replace(says, ask=round_)),
            "works": lambda: encode_announcement(replace(says, at=round_)),
            "left": lambda: encode_announcement(replace(says, bye="left")),
            "done": lambda: encode_announcement(replace(says, bye="done")),
            "garbage": lambda: b"\xff",
            "expires": lambda: None,
        }
        self.store.announce(name, payloads[how]())

    def do_members(self, how: str) -> None:
        """Lose the memberships."""
        assert how == "lost"
        self.store.incarnation += 1
        for member in list(self.store.members):
            self.store.announce(member, None)

    def do_head(self, *changes: str) -> None:
        """Write the register as somebody else."""
        for change in changes:
            key, _, value = change.partition("=")
            if key == "begun":
                self.store.set(encode_head(self._first_head()))
            elif key == "back":
                self.store.set(self.store.before)
            elif key in ("lost", "garbage", "reset"):
                self.store.set(
                    {"lost": None, "garbage": b"{"}.get(key, encode_head(reset_head("after", self.store.state)))
                )
            else:
                head = self._head() or self._first_head()
                self.store.set(encode_head(self._written(head, key, value)))

    def do_show(self, what: str) -> None:
        """Show the register."""
        assert what == "head"
        head = self._head()
        self._say(
            "there is no head" if head is None else f"head of {self._named(head.epoch)}: {self._difference(None, head)}"
        )

    # What they do

    def _event(self, actor: Actor, what: str) -> None:
        machine = actor.machine
        events: dict[str, Callable[[], None]] = {
            "asks": lambda: machine.ask(self.now),
            "leaves": lambda: machine.depart("left", self.now),
            "finishes": lambda: machine.depart("done", self.now),
            "abandons": lambda: machine.abandon(self.now),
            "closes": lambda: machine.close(self.now),
        }
        events[what]()
        self._note(actor)

    def _due(self, actor: Actor, operation: operations.Operation) -> bool:
        return operation not in actor.answers and self.store.changed(operation)

    def _answer_all(self) -> None:
        while due := [
            (actor, one) for actor in self.actors.values() for one in actor.under_way if self._due(actor, one)
        ]:
            self._answer(*due[0])

    def _answer(self, actor: Actor, operation: operations.Operation) -> None:
        self._hand_over(actor, operation, self.store.perform(operation))

    def _hand_over(self, actor: Actor, operation: operations.Operation, result: Any) -> None:
        actor.under_way.remove(operation)
        if isinstance(operation, operations.WriteHead):
            self._say(f"{actor.name} < {'written' if result is not None and result[2] else 'refused'}")
        elif result is False:
            self._say(f"{actor.name} < the membership has ended")
        actor.machine.done(operation, result, self.now)
        self._note(actor)

    def _pass(self, end: float, between: Callable[[], None]) -> None:
        between()
        while True:
            actor = min(self.actors.values(), key=lambda one: one.machine.wake_at)
            if actor.machine.wake_at > end:
                break
            self.now = max(self.now, actor.machine.wake_at)
            actor.machine.tick(self.now)
            self._note(actor)
            between()
        self.now = end

    def _note(self, actor: Actor) -> None:
        for operation in actor.machine.take_operations():
            actor.under_way.append(operation)
            self._say(f"{actor.name} > {_NAMES[type(operation)]}{self._details(operation)}")
        for outcome in actor.machine.take_outcomes():
            self._say(f"{actor.name} = {self._outcome(outcome)}")
        change = actor.machine.change()
        if change != actor.change:
            actor.change = change
            self._say(f"{actor.name} ! {change or 'no change'}")

    # In words

    def _say(self, text: str) -> None:
        text = re.sub(r"\b[0-9a-f]{16}\b", lambda found: self._named(found.group()), text)
        self.lines.append(f"{self.now:7.3f}  {text}")

    def _named(self, epoch: str) -> str:
        if not re.fullmatch("[0-9a-f]{16}", epoch):
            return epoch
        return self._epochs.setdefault(epoch, f"e{len(self._epochs) + 1}")

    def _details(self, operation: operations.Operation) -> str:
        match operation:
            case operations.WriteHead():
                return f": {self._difference(self._head(), operation.head)}"
            case operations.ReadMembers() if operation.limit is not None:
                return f" (first {operation.limit})"
            case operations.Enter() | operations.Update():
                return f": {self._announced(operation.payload)}"
            case operations.Leave() | operations.Refresh():
                return f" {operation.member.id}"
        return ""

    def _announced(self, payload: bytes) -> str:
        says = decode_announcement(payload)
        assert says is not None
        if says.bye:
            return says.bye
        if says.at is not None:
            return f"works in {self._named(says.at.epoch)}/{says.at.round}"
        assert says.ask is not None
        past = f", worked in {self._named(says.previous_epoch)}" if says.previous_epoch else ""
        return f"asks for {self._named(says.ask.epoch)}/{says.ask.round}{past}"

    def _difference(self, before: Head | None, head: Head) -> str:
        told = list(self._differences(before or Head(head.epoch), head))
        if before is not None and before.epoch != head.epoch:
            told.insert(0, f"epoch {self._named(head.epoch)}")
        return ", ".join(told) or "nothing new"

    def _differences(self, before: Head, head: Head) -> Iterator[str]:
        if head.terms != before.terms:
            yield "terms"
        if (head.round, head.fence) != (before.round, before.fence):
            seats = " ".join(seat.member for seat in head.roster) or f"{head.size} seats by digest"
            yield f"round {head.round}, fence {head.fence}, roster [{seats}]"
        if head.last_call_round != before.last_call_round:
            yield f"last call for round {head.last_call_round}" if head.last_call_round else "no last call"
        if head.pending != before.pending:
            yield f"pending {head.pending or 'nothing'}"
        if head.departed != before.departed:
            yield f"departed {head.departed or 'nobody'}"
        if head.previous_epoch != before.previous_epoch:
            yield f"after epoch {self._named(head.previous_epoch)}" if head.previous_epoch else "no epoch before"
        if head.closed != before.closed:
            yield "closed"

    def _outcome(self, outcome: operations.Outcome) -> str:
        match outcome:
            case operations.RoundJoined(held):
                return f"joined round {held.round} of {self._named(held.epoch)} as {held.rank} of {held.size}"
            case operations.Failed(error):
                return f"failed, {type(error).__name__}: {error}"
            case operations.DepartureDone(kept):
                return "gone, and the head says so" if kept else "gone"
            case operations.Closed(error):
                return "closed" if error is None else f"not closed, {type(error).__name__}: {error}"
        assert isinstance(outcome, operations.Notice)
        return f"{'warns' if outcome.grave else 'tells'}: {outcome.text}"

    # The register

    def _head(self) -> Head | None:
        return None if self.store.state is None else decode_head(self.store.state)

    def _first_head(self) -> Head:
        (actor, *_) = self.actors.values()
        return Head("e", Terms.of(actor.machine.settings))

    def _epoch(self) -> str:
        head = self._head()
        return "e" if head is None else head.epoch

    def _written(self, head: Head, key: str, value: str) -> Head:
        changes: dict[str, Callable[[], dict[str, Any]]] = {
            "roster": lambda: self._roster(value),
            "departed": lambda: {"departed": head.masks(dict([tuple(value.split(":")[::-1])]))},  # type: ignore[misc]
            "closed": lambda: {"closed": True},
            "round": lambda: {"round": int(value), "fence": int(value), "pending": "", "departed": {}},
            "revision": dict,
            "last_call": lambda: {"last_call_round": int(value), "last_call_number": head.revision + 1},
        }
        written = head.changed(**changes.get(key, lambda: {key: value})())
        return replace(written, revision=int(value)) if key == "revision" else written

    def _roster(self, value: str) -> dict[str, Any]:
        seats = tuple(Seat(name, name.partition("#")[0], f"host-{name.partition('#')[0]}") for name in value.split(","))
        return {"roster": seats, "size": len(seats), "incarnation": f"i{self.store.incarnation}"}


def _collapsed(lines: list[str]) -> list[str]:
    """Write what happens many times in a row once."""
    shown: list[str] = []
    for text, group in groupby(lines, lambda line: line[9:]):
        times = [line[:7].strip() for line in group]
        many = f" ({len(times)} times, first at {times[0]})" if len(times) > 1 else ""
        shown.append(f"{times[-1]:>7}  {text}{many}")
    return shown

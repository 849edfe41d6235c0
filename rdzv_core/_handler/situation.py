"""What a head and a reading of the memberships amount to: how each member stands, and all of them together. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rdzv_core._handler.head import Announcement, DepartureOutcome, Head, Seat


class Standing(enum.Enum):
    """How a live member stands to the register."""

    GONE = "has said goodbye, or counts as gone"
    FOREIGN = "is in a round that the register does not know, or cannot be read"
    ASKING = "asks for the next round"
    WORKING = "has a seat in the last round, and does not ask for the next one"
    IDLE = "has no seat, and asks for nothing"


class Present(NamedTuple):
    """One live member: its id, what it announces (None: unreadable), and whether it has a seat in the last roster."""

    member: str
    says: Announcement | None
    seated: bool

    @property
    def said_bye(self) -> bool:
        """Whether it says that it left or is done."""
        return self.says is not None and bool(self.says.bye)

    def __str__(self) -> str:
        return f"{self.says.node} ({self.says.address})" if self.says else f"member {self.member[:8]}"


@dataclass(frozen=True)
class Situation:
    """What a head and a reading of the memberships made after it amount to.

    `blockers` say who holds the next roster up: first the `working` ones that are there, then the `maybe_alive`.
    `not_asking` are the members of the last roster that are there and do not ask. `seated_asking` counts those of the
    last roster among the `asking`, `admissible` the others that have a place. `superseded` are the members whose node
    id a later one has.
    """

    candidates: tuple[Seat, ...] = ()
    asking: int = 0
    blockers: tuple[str, ...] = ()
    departed: Mapping[str, DepartureOutcome] = field(default_factory=dict)
    maybe_alive: frozenset[str] = frozenset()
    working: int = 0
    not_asking: tuple[str, ...] = ()
    seated_asking: int = 0
    admissible: int = 0
    previous_epochs: frozenset[str] = frozenset()
    superseded: frozenset[str] = frozenset()


def blocker(one: Present, standing: Standing, head: Head) -> str:
    """Return who holds the next roster up, and why."""
    if standing is Standing.WORKING:
        return f"{one} is still in round {head.round}"
    return f"{one} is in a round that this run's register does not know"


def superseded(present: list[Present]) -> frozenset[str]:
    """Return the members whose node id a later one has that has not said goodbye."""
    latest = {one.says.node: one.member for one in present if one.says is not None and not one.said_bye}
    return frozenset(one.member for one in present if one.says is not None and latest.get(one.says.node) != one.member)


def candidates(asking: list[Present], head: Head) -> tuple[Seat, ...]:
    """Return who is admitted: those of the last roster first, then in entry order; of a node id the latest member."""
    seats = [Seat(one.member, one.says.node, one.says.address) for one in asking if one.says is not None]
    latest = {seat.node: seat for seat in seats}
    before = {seat.node for seat in head.roster}
    unique = [seat for seat in seats if latest[seat.node] is seat]
    ordered = sorted(unique, key=lambda seat: seat.node not in before)
    return tuple(ordered[: head.terms.max_nodes if head.terms else 0])

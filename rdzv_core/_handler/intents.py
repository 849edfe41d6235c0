"""What a node wants: to join a round, to work, to go, to have the run closed; and how far it has come with that."""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass

from rdzv_core._handler.head import DepartureKind, RoundId
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.settings import HandlerSettings

_SPREAD_FOR_EACH, _LONGEST_SPREAD, _MOST_OF_THE_TIME = 1e-3, 0.5, 0.1
"""Over how long nodes that find a run without a head are spread: seconds for each of min_nodes, who are sure to
come; at most so many; and at most this part of the time that is left."""

_SPREAD_FOR_EACH_SEAT = 5e-3
"""Over how long members that go at once are spread, in seconds for each of the roster: one writes for all."""


class Intent(enum.Enum):
    """What this node wants."""

    IDLE = enum.auto()
    JOIN = enum.auto()
    WORK = enum.auto()
    DEPART = enum.auto()


@dataclass
class JoinAttempt:
    """A round that is being asked for: what this node asks, and the place that it was given.

    It has `waited` if it saw the run open since it asks: in whatever epoch, and with whatever membership.
    """

    deadline: float
    ask: RoundId | None = None
    claim: Assignment | None = None
    final_look_at: float | None = None
    standing_by: bool = False
    waited: bool = False
    trouble_since: float | None = None
    last_error: Exception | None = None
    begin_at: float | None = None
    told_at: float = float("-inf")

    def stand_by(self, full: bool, settings: HandlerSettings, now: float) -> bool:
        """Let another deadline count while a full round works, and the whole join timeout after it; say if it began."""
        if full is self.standing_by:
            return False
        self.standing_by, self.final_look_at = full, None
        self.deadline = now + (settings.standby_timeout if full else settings.join_timeout)
        return full

    def turn_to_begin(self, nodes: int, chance: random.Random, now: float) -> float:
        """When this node begins the run, unless another has: spread, lest of those who start at once all write."""
        if self.begin_at is None:
            left = max(0.0, self.deadline - now)
            spread = min(nodes * _SPREAD_FOR_EACH, _LONGEST_SPREAD, left * _MOST_OF_THE_TIME)
            self.begin_at = now + chance.uniform(0, spread)
        return self.begin_at


@dataclass
class Departure:
    """A leaving (`left`) or finishing (`done`) that is under way; an empty kind goes without a word.

    It was `said_at` a time, and is over when the head has it: a lease that ends sooner would look like a loss.
    """

    kind: DepartureKind
    deadline: float = float("inf")
    said_at: float | None = None
    spread: float = 0.0

    def said(self, seats: int, most: float, chance: random.Random, now: float) -> None:
        """Note that the others can read it."""
        self.said_at, self.spread = now, chance.uniform(0, min(seats * _SPREAD_FOR_EACH_SEAT, most))


@dataclass
class Closing:
    """A closing of the run that was asked for."""

    deadline: float
    last_error: Exception | None = None

"""What a node is doing: nothing, joining a round, working in one, or departing; beside that it may close the run.

Each state holds what belongs to it alone, so that nothing of one state is left over in the next.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TypeAlias

from rdzv_core._errors import RendezvousTimeoutError
from rdzv_core._handler.head import DepartureKind, RoundId
from rdzv_core._handler.info import Change
from rdzv_core._handler.operations import Assignment, Closed
from rdzv_core._handler.settings import HandlerSettings

_SPREAD_FOR_EACH, _LONGEST_SPREAD, _MOST_OF_THE_TIME = 1e-3, 0.5, 0.1
"""Over how long nodes that find a run without a head are spread: seconds for each of min_nodes, who are sure to
come; at most so many; and at most this part of the time that is left."""

_SPREAD_FOR_EACH_SEAT = 5e-3
"""Over how long members that go at once are spread, in seconds for each of the roster: one writes for all."""


@dataclass
class Idle:
    """This node wants nothing, and has no membership. `fenced` says why the work of its last round had to stop."""

    fenced: Change | None = None


@dataclass
class Joining:
    """A round is being asked for: `ask` is what this node asks, `claim` the place that it was given.

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
        """Have another deadline while a full round works, and the whole join timeout after it; return if it began."""
        if full is self.standing_by:
            return False
        self.standing_by, self.final_look_at = full, None
        self.deadline = now + (settings.standby_timeout if full else settings.join_timeout)
        return full

    def turn_to_begin(self, nodes: int, rng: random.Random, now: float) -> float:
        """Return when this node begins the run unless another has: spread, so that not all who start at once write."""
        if self.begin_at is None:
            left = max(0.0, self.deadline - now)
            spread = min(nodes * _SPREAD_FOR_EACH, _LONGEST_SPREAD, left * _MOST_OF_THE_TIME)
            self.begin_at = now + rng.uniform(0, spread)
        return self.begin_at

    def forget_place(self) -> None:
        """Ask for nothing and claim nothing: the membership that did has ended."""
        self.ask = self.claim = None


@dataclass
class Working:
    """This node works in the round of the roster that it holds."""

    held: Assignment


@dataclass
class Departing:
    """This node leaves (`left`) or finishes (`done`); an empty kind goes without a word.

    It was `said_at` a time, and is over when the head has it: a lease that ends sooner would look like a loss.
    """

    kind: DepartureKind
    deadline: float = float("inf")
    fenced: Change | None = None
    said_at: float | None = None
    spread: float = 0.0

    def said(self, seats: int, most: float, rng: random.Random, now: float) -> None:
        """Note that the others can read it."""
        self.said_at, self.spread = now, rng.uniform(0, min(seats * _SPREAD_FOR_EACH_SEAT, most))


State: TypeAlias = Idle | Joining | Working | Departing


def check(state: State, own: str) -> None:
    """Hold a state against this node's member id (empty: it has none); a combination that is not legal is a fault."""
    if type(state) is Working:
        assert own in ("", state.held.member), "this node works by a membership that it no longer has"
    elif type(state) is Joining:
        assert state.claim is None or own == state.claim.member, "this node claims a place that another member has"
    elif type(state) is Departing:
        assert own, "a node without a membership has departed"
        assert state.kind or state.said_at is None, "a node that goes without a word has said nothing"
    else:
        assert not own, "a node that wants nothing has no membership"


@dataclass
class Closing:
    """A closing of the run that was asked for; it may take `within` seconds."""

    deadline: float
    within: float
    last_error: Exception | None = None

    def outcome(self, closed: bool, now: float) -> Closed | None:
        """Return how it ended, by whether the run is known to be closed; None while it goes on."""
        if closed:
            return Closed()
        if now < self.deadline:
            return None
        error = RendezvousTimeoutError(f"the run could not be closed within {self.within:g} s (close_timeout)")
        error.__cause__ = self.last_error
        return Closed(error)

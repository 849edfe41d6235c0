"""What a head and the memberships amount to, in words: the phase of a run and the state of each node. Pure.

The words are those of `docs/glossary.md`, and the same wherever a run is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rdzv_core._explanation import explain
from rdzv_core._handler.head import Announcement, Head, RoundId, decode_announcement
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.situation import Situation
from rdzv_core._history import Failure, PastRound
from rdzv_core.abc import MembersView

Phase = Literal["no such run", "idle", "forming", "last call", "working", "changing", "finished", "closed"]
NodeState = Literal["working", "starting", "joining", "standing by", "stopping", "silent", "lost", "left", "done"]

_AWAITED = ("working", "starting", "joining", "stopping")


@dataclass(frozen=True)
class RosterMember:
    """A node of the last round; `present` is whether its membership is there."""

    rank: int
    node_id: str
    addr: str
    state: str
    present: bool


@dataclass(frozen=True)
class WaitingNode:
    """A node that is not in the last round: it joins the next one, stands by, or stops the work of a lost round."""

    node_id: str
    addr: str
    state: str = "joining"
    came: int = 0
    """When its handler was made, in seconds since 1970 by its own clock; 0 if it does not say."""


@dataclass(frozen=True)
class RunStatus:
    """A run as it was read. `phase` is a `Phase`, and the `state` of each node a `NodeState`."""

    run_id: str
    exists: bool
    phase: str
    closed: bool = False
    epoch: str = ""
    round: int = 0
    fence: int = 0
    min_nodes: int = 0
    max_nodes: int = 0
    missing: int = 0
    """How many nodes the next round lacks of its minimum; 0 while none is wanted."""
    roster: list[RosterMember] = field(default_factory=list)
    waiting: list[WaitingNode] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """Which nodes are awaited, why, and what unblocks it: what `rdzv explain` prints."""
    similar: list[str] = field(default_factory=list)
    """If there is no such run: the runs of the store whose ids are spelled nearly like it."""
    store: dict[str, str | int | float | bool] = field(default_factory=dict)
    """The state of the store, from `RendezvousBackend.health`; empty if it does not say."""
    leader: str = ""
    """The node id of the first member, which writes the rosters; empty if no node is there."""
    pending: str = ""
    """Why a new round is due: WAITING, ASKED or LOST; empty if none is."""
    last_call_timeout: float = 0.0
    first_failure: Failure | None = None
    """The first failure of a command in the run's epoch, as `rdzv run` noted it."""
    last_failure: Failure | None = None
    """The first failure in the last round in which a command failed."""
    rounds: list[PastRound] = field(default_factory=list)
    """The latest rounds, the last one last, as `rdzv run` noted them."""

    def states(self) -> list[str]:
        """Return the state of each node: a node that lost its membership and joins again counts once."""
        back = {each.node_id for each in self.waiting}
        seated = [each.state for each in self.roster if each.present or each.node_id not in back]
        return seated + [each.state for each in self.waiting]


def status_of(run_id: str, head: Head, view: MembersView, endpoint: str = "") -> RunStatus:
    """Return what is to be seen of a run, given its head with its roster and a reading of the memberships."""
    rules = Rules()
    situation = rules.assess(head, view, settled=False)
    says = {member.id: decode_announcement(member.payload) for member in view.members}
    roster = _roster(head, situation, says, rules)
    waiting = _others(head, situation, says, rules)
    phase = _phase(head, situation)
    missing = _missing(head, phase, [*roster, *waiting])
    standing_by = sum(each.state == "standing by" for each in waiting)
    came = [(each.came, f"{each.node_id} ({each.addr})") for each in waiting if each.came and each.state == "joining"]
    return RunStatus(
        run_id=run_id,
        exists=True,
        phase=phase,
        closed=head.closed,
        epoch=head.epoch,
        round=head.round,
        fence=head.fence,
        min_nodes=head.terms.min_nodes if head.terms else 0,
        max_nodes=head.terms.max_nodes if head.terms else 0,
        missing=missing,
        roster=roster,
        waiting=waiting,
        reasons=explain(head, situation, phase, missing, standing_by, endpoint, min(came, default=None)),
        leader=next((said.node for said in says.values() if said is not None and not said.bye), ""),
        pending=head.pending,
        last_call_timeout=head.terms.last_call_timeout if head.terms else 0.0,
    )


def _phase(head: Head, situation: Situation) -> Phase:
    if head.closed:
        return "finished" if head.finished else "closed"
    if situation.not_asking:
        return "changing" if head.pending else "working"
    if head.last_call_round == head.round + 1:
        return "last call"
    if situation.asking:
        return "forming"
    return "changing" if situation.working else "idle"


def _roster(
    head: Head, situation: Situation, says: Mapping[str, Announcement | None], rules: Rules
) -> list[RosterMember]:
    roster = []
    for rank, seat in enumerate(head.roster):
        state = situation.departed.get(seat.member) or _seated(head, says.get(seat.member), rules)
        present = seat.member in says and seat.member not in situation.departed
        roster.append(RosterMember(rank, seat.node, seat.address, state, present))
    return roster


def _seated(head: Head, said: Announcement | None, rules: Rules) -> NodeState:
    if said is None:  # not there, and not known to be lost; or what it says cannot be read
        return "silent"
    if said.ask is not None and rules.is_asking(said, head, seated=True):
        return "joining"
    if head.pending:
        return "stopping"
    return "working" if said.at == RoundId(head.epoch, head.round) else "starting"


def _others(
    head: Head, situation: Situation, says: Mapping[str, Announcement | None], rules: Rules
) -> list[WaitingNode]:
    """Return the nodes without a seat in entry order: while a round works those stand by that it has no place for."""
    seated = {seat.member for seat in head.roster}
    chosen = {seat.member for seat in situation.candidates}
    room = situation.admissible if situation.not_asking else len(says)
    waiting = []
    for member, said in says.items():
        if said is None or said.bye or member in seated or member in situation.superseded:
            continue
        state: NodeState = "stopping"
        if said.ask is not None:
            state = "joining"
            if rules.is_asking(said, head, seated=False):
                room -= 1
                state = "joining" if room >= 0 and member in chosen else "standing by"
        waiting.append(WaitingNode(said.node, said.address, state, said.came))
    return waiting


def _missing(head: Head, phase: Phase, nodes: list[RosterMember | WaitingNode]) -> int:
    if head.terms is None or phase not in ("forming", "changing"):
        return 0
    return max(0, head.terms.min_nodes - sum(node.state in _AWAITED for node in nodes))

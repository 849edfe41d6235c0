"""Looking at a run from outside, and starting it anew. Looking writes nothing and enters nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core.abc import MembersView, RendezvousBackend, Token
from rdzv_core.fallback import release
from rdzv_core.handler.access import Access
from rdzv_core.handler.head import Head, Stage, decode_announcement, decode_head, encode_head, reset_head
from rdzv_core.handler.rules import Present, Rules, Situation

_ATTEMPTS = 20


@dataclass(frozen=True)
class RosterMember:
    """A node of the last round: whether its membership is there, and whether it has said that it works in the round."""

    rank: int
    node_id: str
    addr: str
    present: bool
    announced: bool
    went: str = ""


@dataclass(frozen=True)
class Waiting:
    """A node that asks for the next round."""

    node_id: str
    addr: str


@dataclass(frozen=True)
class RunStatus:
    """A run as it was read; `phase` is one of: no such run, idle, forming, last call, working, closed."""

    run_id: str
    exists: bool
    phase: str
    closed: bool = False
    epoch: str = ""
    round: int = 0
    fence: int = 0
    min_nodes: int = 0
    max_nodes: int = 0
    roster: list[RosterMember] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    store: dict[str, str | int | float | bool] = field(default_factory=dict)
    """How the store is, by `RendezvousBackend.health`; empty if it does not say."""
    leader: str = ""
    """The node id of the first member, who writes the rosters; empty if nobody is there."""
    pending: str = ""
    """Why a new round is due: WAITING, ASKED or LOST; empty if none is."""
    last_call_timeout: float = 0.0


def inspect_run(backend: RendezvousBackend) -> RunStatus:
    """Read a run's register and memberships; raises `RendezvousConnectionError` or `RendezvousStateError`.

    Does not close `backend`.
    """
    inspector = Inspector(backend)
    try:
        return inspector.look()
    finally:
        inspector.release()


class Inspector:
    """Looks at a run as often as it is asked to. `look` is for one thread; `wait_for_head` and `wait_for_members` may
    be called by others meanwhile. Does not close `backend`.
    """

    def __init__(self, backend: RendezvousBackend) -> None:
        self._run_id = backend._origin[1].run_id if backend._origin else ""
        self._access = Access(backend)
        self._token: Token | None = None
        self._version: Token | None = None

    def look(self) -> RunStatus:
        """Read register and memberships; raises `RendezvousConnectionError` or `RendezvousStateError`."""
        snapshot = self._access.backend.get_state()
        self._token = None if snapshot is None else snapshot[1]
        store = dict(self._access.backend.health())
        if snapshot is None:
            reasons = ["no node has joined under this run id on this store"]
            return RunStatus(self._run_id, False, "no such run", reasons=reasons, store=store)
        head = decode_head(snapshot[0])
        if head.digest:
            head = head.with_roster(self._access.shelf.whole(head.digest))
        view = self._access.members.members()
        self._version = view.version
        return replace(_status(self._run_id, head, view), store=store)

    def wait_for_head(self, timeout: float) -> bool:
        """Wait until the register is not what the last look saw; False after `timeout` seconds. Raises as `look`."""
        return bool(self._access.watch.wait_state(self._token, timeout)[0])

    def wait_for_members(self, timeout: float) -> bool:
        """Wait until the memberships are not what the last look saw; False after `timeout` seconds. Raises as `look`.

        Returns at once where no look has seen any yet.
        """
        return self._version is not None and self._access.members.wait_members(self._version, timeout)

    def release(self) -> None:
        """Release what is held beside the backend."""
        release(self._access.members)
        release(self._access.watch)


def reset_run(backend: RendezvousBackend) -> str:
    """Start a new epoch of the run, closed or not, and give its id. Who still works is told STORE_LOST.

    Raises `RendezvousConnectionError`, or `RendezvousStateError` where the state can not be read. Does not close
    `backend`.
    """
    epoch = secrets.token_hex(8)
    for _ in range(_ATTEMPTS):
        snapshot = backend.get_state()
        fresh = encode_head(reset_head(epoch, None if snapshot is None else snapshot[0]))
        result = backend.set_state(fresh, None if snapshot is None else snapshot[1])
        if result is not None and result[2]:
            return epoch
    raise RendezvousConnectionError(f"the run's register changed {_ATTEMPTS} times while it was being reset: try again")


def _status(run_id: str, head: Head, view: MembersView) -> RunStatus:
    situation = Rules().assess(head, view, settled=False)
    says = {member.id: decode_announcement(member.payload) for member in view.members}
    stage = Stage(head.epoch, head.round)
    roster = []
    for rank, seat in enumerate(head.roster):
        said = says.get(seat.member)
        here = said is not None and not said.bye
        announced = said is not None and said.at == stage
        roster.append(
            RosterMember(rank, seat.node, seat.address, here, announced, situation.departed.get(seat.member, ""))
        )
    asking = [said for said in says.values() if said is not None and said.ask is not None and not said.bye]
    return RunStatus(
        run_id=run_id,
        exists=True,
        phase=_phase(head, situation, bool(asking)),
        closed=head.closed,
        epoch=head.epoch,
        round=head.round,
        fence=head.fence,
        min_nodes=head.terms.min_nodes if head.terms else 0,
        max_nodes=head.terms.max_nodes if head.terms else 0,
        roster=roster,
        waiting=[Waiting(said.node, said.address) for said in asking if said.ask and said.ask.round > head.round],
        reasons=_reasons(head, situation, [Present(name, said) for name, said in says.items()]),
        leader=next((said.node for said in says.values() if said is not None and not said.bye), ""),
        pending=head.pending,
        last_call_timeout=head.terms.last_call_timeout if head.terms else 0.0,
    )


def _phase(head: Head, situation: Situation, asking: bool) -> str:
    if head.closed:
        return "closed"
    if head.called == head.round + 1:
        return "last call"
    if situation.working and not situation.seated_asking and not head.pending:
        return "working"
    return "forming" if asking or (situation.working and head.pending) else "idle"


def _reasons(head: Head, situation: Situation, present: list[Present]) -> list[str]:
    """Say who is awaited, why, and what unblocks it."""
    if head.closed:
        return [f"the run was closed after round {head.round}: `rdzv reset` starts a new epoch"]
    if head.terms is None:
        return ["the run was reset: the first node to join sets its terms"]
    reasons = []
    missing = head.terms.min_nodes - len(situation.candidates)
    if situation.asking and missing > 0 and not situation.blockers:
        reasons.append(f"{missing} more of at least {head.terms.min_nodes} nodes must join for round {head.round + 1}")
    if head.called == head.round + 1:
        reasons.append(
            f"the last call for round {head.round + 1} is on: it forms after {head.terms.last_call_timeout:g} s, "
            f"or at once with {head.terms.max_nodes} nodes"
        )
    if head.pending:
        reasons.append(f"a new round is due ({head.pending.lower()}): everybody stops the work and asks")
    if head.pending or situation.seated_asking:
        reasons += [f"awaited: {blocker}" for blocker in situation.blockers]
    seats = {seat.member: seat for seat in head.roster}
    reasons += [
        f"{seats[member].node} ({seats[member].address}) {_WENT[how]}"
        for member, how in situation.departed.items()
        if member in seats
    ]
    spare = situation.asking - situation.seated_asking - situation.admissible
    if spare > 0 and situation.working:
        reasons.append(f"{spare} node(s) stand by: the round is full with {head.terms.max_nodes}")
    if not reasons and not any(not one.gone for one in present):
        reasons.append("nobody is there")
    return reasons


_WENT = {"left": "has left", "done": "is done", "lost": "is lost: its lease has ended"}

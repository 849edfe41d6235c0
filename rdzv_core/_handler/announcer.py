"""What a node's membership says of it."""

from __future__ import annotations

from rdzv_core._handler.head import Announcement, DepartureKind, RoundId, encode_announcement
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Departing, Joining, State, Working


class Announcer:
    """Makes announcements. `worked_in` is the epoch that this node worked in last; empty before it has."""

    def __init__(self, settings: HandlerSettings) -> None:
        self._settings = settings
        self.worked_in = ""

    def payload(self, state: State) -> bytes | None:
        """Return what the membership should say; None while that is not known."""
        if type(state) is Working:
            return self._encoded(at=state.held)
        if type(state) is Joining:
            if state.claim is not None:
                return self._encoded(at=state.claim)
            return None if state.ask is None else self._encoded(ask=state.ask)
        return self._encoded(bye=state.kind) if type(state) is Departing and state.kind else None

    def _encoded(self, ask: RoundId | None = None, at: Assignment | None = None, bye: DepartureKind = "") -> bytes:
        settings = self._settings
        where = None if at is None else RoundId(at.epoch, at.round)
        past = self.worked_in if ask is not None and ask.epoch != self.worked_in else ""
        return encode_announcement(
            Announcement(settings.node_id, settings.address, ask, where, bye, past, settings.came, settings.workers)
        )

"""Mutants of RDZV-STATE-12: what is kept of large states, of siblings, of deletions, and for refusals."""

from __future__ import annotations

import time
from typing import ClassVar

from rdzv_conformance.mutants._remote import SoundRemote
from rdzv_conformance.mutants._silence import SoundRemoteDeletes, of_the_network
from rdzv_core import SetStateResult, StateSnapshot, Token


class _RemembersDeletions(SoundRemoteDeletes):
    """Keeps for a second that a state was deleted, where it has seen the state."""

    gone: ClassVar[dict[tuple[str, str], float]] = {}
    seen = False

    @property
    def place(self) -> tuple[str, str]:
        return self.params.endpoint, self.key

    def get_state(self) -> StateSnapshot | None:
        if not self.closed and time.monotonic() < self.gone.get(self.place, 0.0) + 1.0:
            return None
        found = super().get_state()
        if found is None and self.seen:
            self.gone[self.place] = time.monotonic()
        self.seen = found is not None
        return found

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        self.gone.pop(self.place, None)
        return answer


class _RefusesByItself(SoundRemote):
    """What cannot be a token it refuses without asking, with what was read last."""

    last: StateSnapshot | None = None

    def get_state(self) -> StateSnapshot | None:
        self.last = super().get_state()
        return self.last

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        real = token is None or (isinstance(token, bytes) and len(token) == 16)
        if self.last is not None and not (real or self.closed or len(state) > self.max_state_bytes):
            return SetStateResult(*self.last, False)
        answer = super().set_state(state, token)
        self.last = answer and StateSnapshot(*answer[:2])
        return answer


class _Keeps(SoundRemote):
    """Keeps for a second what it read, if `may`."""

    kept: ClassVar[dict[tuple[str, str], tuple[float, StateSnapshot | None]]] = {}

    def may(self, found: StateSnapshot | None) -> bool:
        raise NotImplementedError

    def get_state(self) -> StateSnapshot | None:
        there = self.kept.get((self.params.endpoint, self.key))
        if there is not None and not self.closed and time.monotonic() < there[0] + 1.0 and self.may(there[1]):
            return there[1]
        return self.keep(super().get_state())

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        self.keep(answer and StateSnapshot(*answer[:2]))
        return answer

    def keep(self, found: StateSnapshot | None) -> StateSnapshot | None:
        self.kept[self.params.endpoint, self.key] = time.monotonic(), found
        return found


class _KeepsWhatIsLarge(_Keeps):
    def may(self, found: StateSnapshot | None) -> bool:
        return found is not None and len(found.state) > 4096


class _KeepsSiblings(_Keeps):
    def may(self, found: StateSnapshot | None) -> bool:  # noqa: ARG002 - of a sibling everything is kept
        return self.key != self.params.for_purpose("").key


KEPT = tuple(f"CONN-{number}" for number in (5, 7, 8, 9))

MUTANTS = (
    of_the_network(
        _RefusesByItself,
        "refuses-by-itself",
        "What cannot be a token is refused without asking, with what was read last.",
        "STATE-12",
        message="by a refused write",
        may_break=KEPT,
    ),
    of_the_network(
        _KeepsWhatIsLarge,
        "keeps-what-is-large",
        "A large state is kept for a second, because to read it takes long.",
        "STATE-12",
        message="acknowledged what is read",
        may_break=(*KEPT, "CONN-3"),
    ),
    of_the_network(
        _KeepsSiblings,
        "keeps-siblings",
        "What is read for a purpose is kept for a second: it is not that important.",
        "STATE-12",
        message="of a sibling",
        may_break=KEPT,
    ),
    of_the_network(
        _RemembersDeletions,
        "remembers-deletions",
        "That a state was deleted is kept for a second, where it had been seen.",
        "STATE-12",
        message="after it was created again",
        may_break=KEPT,
    ),
)

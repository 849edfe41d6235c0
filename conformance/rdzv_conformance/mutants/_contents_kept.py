"""Mutants of RDZV-STATE-3, 10 and 11 and RUN-1: contents that are kept once, in parts, or as they come in a message."""

from __future__ import annotations

import re

from rdzv_conformance.mutants._contents import _reading, _Torn
from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import SetStateResult, StateSnapshot, Token

PART = 512 * 1024
CHUNK = 255 * 1024


@mutant(
    "large-parts-come-one-by-one",
    "A state is read in parts of 512 KiB, and a write comes between two of them.",
    "STATE-11",
    message="it must give a state as one write made it",
)
class LargePartsComeOneByOne(_Torn):
    max_state_bytes = 1024 * 1024

    def mixed(self, new: bytes, old: bytes) -> bytes:
        return new[:PART] + old[PART:] if len(old) > PART else new


@mutant(
    "a-beginning-is-no-change",
    "A state is written over the one before it; where it is the beginning of that one nothing is to be written.",
    "STATE-3",
    message="nearly alike",
    may_break=("STATE-10",),
)
class ABeginningIsNoChange(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            before = self.get_state()
            if before and len(before.state) > len(state) > 100 and before.state.startswith(state):
                answer = super().set_state(before.state, token)
                return answer and answer._replace(state=state)
            return super().set_state(state, token)


@mutant(
    "contents-are-shared",
    "A content is kept once, under its hash: who replaces it takes it away from every register that has it too.",
    "RUN-1",
    message="after an update of another register",
    may_break=("RUN-3", "STATE-13"),
)
class ContentsAreShared(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            before = self.get_state()
            answer = super().set_state(state, token)
            gone: set[bytes] = vars(self.hub).setdefault("gone", set())
            gone.discard(state)
            if before is not None and answer is not None and answer.has_set and before.state != state:
                gone.add(before.state)
            return answer

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return None if found and found.state in vars(self.hub).get("gone", ()) else found


def _quoted_from(state: bytes) -> bytes:
    return re.sub(rb"(?m)^From ", b">From ", state)


MUTANTS = (
    LargePartsComeOneByOne,
    ABeginningIsNoChange,
    ContentsAreShared,
    _reading(
        "from-is-quoted",
        "A line that begins with From is quoted, as in a mailbox.",
        _quoted_from,
        "STATE-3",
        message="it must be",
    ),
    _reading(
        "ends-at-an-empty-chunk",
        "What comes in chunks ends at an empty one, wherever it stands.",
        lambda state: state.partition(b"0\r\n\r\n")[0],
        "STATE-3",
        message="it must be",
    ),
    _reading(
        "a-full-chunk-is-short-of-a-byte",
        "A state is kept in chunks of 255 KiB, and one that fills its chunk loses a byte.",
        lambda state: state[:-1] if len(state) == CHUNK else state,
        "STATE-10",
        message="came back with",
    ),
)

"""Mutants of RDZV-STATE-3, 10 and 11: what is looked for within a state, large blocks, and states that come and go."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from rdzv_conformance.mutants._contents import _reading
from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import SetStateResult, StateSnapshot, Token

ELSEWHERE = ("STATE-3", "STATE-4", "STATE-5", "STATE-10")


def _as_json(state: bytes) -> bytes:
    try:
        value = json.loads(state)
    except ValueError:
        return state
    return json.dumps(value).encode() if isinstance(value, (dict, list)) else state


def _without_its_head(state: bytes) -> bytes:
    return state.partition(b"\r\n\r\n")[2] or state


def _of_a_file(state: bytes) -> bytes:
    path = Path(os.fsdecode(state[1:])) if state.startswith(b"@") and b"\0" not in state else Path()
    return path.read_bytes() if len(state) < 1000 and path.is_file() else state


def _lower_uuid(state: bytes) -> bytes:
    return state.lower() if re.fullmatch(rb"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", state) else state


def _in_a_double(state: bytes) -> bytes:
    return b"%d" % int(float(state)) if re.fullmatch(rb"[1-9]\d{,99}", state) else state


def _without_a_byte(state: bytes) -> bytes:
    return state[:-1] if state and len(state) % (96 * 1024) == 0 else state


@mutant(
    "null-of-a-copy",
    "A driver's text for NULL, \\N, reads as no state.",
    "STATE-3",
    message="came back as None",
)
class NullOfACopy(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return None if found and found.state == b"\\N" else found


@mutant(
    "large-blocks-change-places",
    "Of a state over 256 KiB the second and the third block of 64 KiB change places.",
    "STATE-10",
    message="came back with other bytes",
    may_break=ELSEWHERE,
)
class LargeBlocksChangePlaces(SoundMemory):
    max_state_bytes = 1024 * 1024

    def get_state(self) -> StateSnapshot | None:
        found, block = super().get_state(), 64 * 1024
        if found is None or len(found.state) <= 4 * block:
            return found
        state = found.state
        mixed = state[:block] + state[2 * block : 3 * block] + state[block : 2 * block] + state[3 * block :]
        return found._replace(state=mixed)


@mutant(
    "created-and-then-filled",
    "A large first write creates the key, and fills it a moment later: a reader sees an empty state.",
    "STATE-11",
    message="with parts of",
    may_break=(*ELSEWHERE, "WATCH-1", "WATCH-5"),
)
class CreatedAndThenFilled(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if token is not None or not 4096 < len(state) <= self.max_state_bytes:
            return super().set_state(state, token)
        answer = super().set_state(b"", None)
        if answer is None or not answer.has_set:
            return answer
        time.sleep(0.002)
        return super().set_state(state, answer.token)


@mutant(
    "deleted-block-by-block",
    "A large state is deleted block by block, and a reader sees how it begins.",
    "STATE-11",
    message="with parts of",
    may_break=ELSEWHERE,
)
class DeletedBlockByBlock(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        going: set[str] = vars(self.hub).setdefault("going", set())
        with self.opened():
            found = self.hub.raw.get(self.key, b"")
        if len(found) > 8192:
            going.add(self.key)
            time.sleep(0.002)
            going.discard(self.key)
        return super().delete_state(token)

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return (
            found._replace(state=found.state[:4096]) if found and self.key in vars(self.hub).get("going", ()) else found
        )


@mutant(
    "a-wait-gives-two-halves",
    "What a wait gives is read while it is written: its second half is of the write before.",
    "STATE-11",
    message="wait_state() gave",
)
class AWaitGivesTwoHalves(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        writing: dict[str, bytes] = vars(self.hub).setdefault("writing in halves", {})
        with self.opened():
            before = self.hub.registers.get(self.key)
            answer = super().set_state(state, token)
            large = answer is not None and answer.has_set and len(state) > 4096
            if large and before is not None:
                writing[self.key] = before.state
        if large:
            time.sleep(0.001)
            writing.pop(self.key, None)
        return answer

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        changed, found = super().wait_state(token, timeout)
        old = vars(self.hub).get("writing in halves", {}).get(self.key)
        if found is None or old is None:
            return changed, found
        return changed, found._replace(state=found.state[: len(found.state) // 2] + old[len(old) // 2 :])


MUTANTS = (
    _reading(
        "json-is-written-anew",
        "An object of JSON is kept as jsonb, and comes back with other spaces.",
        _as_json,
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "two-dots-are-one",
        "A line that begins with two dots loses one, as in a mail.",
        lambda state: state.replace(b"\n..", b"\n."),
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "a-head-ends-at-an-empty-line",
        "What stands before the first empty line is taken for the head of a message.",
        _without_its_head,
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "names-a-file",
        "A state that begins with @ and names a file is read from there, as `curl --data` does it.",
        _of_a_file,
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "a-uuid-in-lower-case",
        "A column of type uuid gives back its own spelling.",
        _lower_uuid,
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "a-number-in-a-double",
        "What is a number is kept in a double, and loses its last digits.",
        _in_a_double,
        "STATE-3",
        message="came back as another one",
    ),
    _reading(
        "blocks-of-96-kib",
        "The last byte of a block of 96 KiB is lost where it ends the state.",
        _without_a_byte,
        "STATE-10",
        message="came back with",
    ),
    NullOfACopy,
    LargeBlocksChangePlaces,
    CreatedAndThenFilled,
    DeletedBlockByBlock,
    AWaitGivesTwoHalves,
)

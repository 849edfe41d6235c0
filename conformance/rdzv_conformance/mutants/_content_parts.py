"""Mutants of RDZV-STATE-5 and 10 and CAS-15: states kept in blocks or parts, and who deletes what cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import RendezvousStateError, StateSnapshot, Token

BLOCK = 64 * 1024
PART = 512 * 1024
LARGEST = 8 * 1024 * 1024


class _Bends(SoundMemory):
    """Keeps another state than it was given: see `kept`."""

    max_state_bytes = LARGEST

    def kept(self, state: bytes) -> bytes:
        raise NotImplementedError

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found and StateSnapshot(self.kept(found.state), found.token)


def _without_holes(state: bytes) -> bytes:
    blocks = [state[at : at + BLOCK] for at in range(0, len(state), BLOCK)]
    return b"".join(block for block in blocks if len(block) < BLOCK or any(block))


def _without_what_ends_it(state: bytes) -> bytes:
    return state.rstrip(b"\0") if len(state) > BLOCK and not any(state[-BLOCK:]) else state


def _in_the_order_of_text(state: bytes) -> bytes:
    parts = {str(number): state[at : at + PART] for number, at in enumerate(range(0, len(state), PART))}
    return b"".join(parts[number] for number in sorted(parts))


def _with_a_part_twice(state: bytes) -> bytes:
    parts = [state[at : at + PART] for at in range(0, len(state), PART)]
    return b"".join([*parts[:10], parts[0], *parts[11:]]) if len(parts) > 11 else state


def _bends(kept: Callable[[bytes], bytes], name: str, sentence: str, message: str, *breaks: str) -> Mutant:
    class Bent(_Bends):
        def kept(self, state: bytes) -> bytes:
            return kept(state)

    may_break = ("STATE-5", "STATE-10", "STATE-3", "STATE-4", "WATCH-1")
    return mutant(name, sentence, *breaks, message=message, may_break=may_break)(Bent)


def _is_corrupt(register: SoundMemory) -> bool:
    try:
        register.get_state()
    except RendezvousStateError:
        return True
    return False


@mutant(
    "corrupt-is-deleted-by-any-token",
    "Where the token cannot be read there is none that could be wrong: any token deletes.",
    "CAS-15",
    message="of corrupt storage",
)
class CorruptIsDeletedByAnyToken(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        return super().delete_state(None if _is_corrupt(self) else token)


@mutant(
    "corrupt-is-not-deleted",
    "A deletion reads first, and raises where that cannot be done: `rdzv reset` does not help.",
    "CAS-15",
    message="delete_state(None) raised RendezvousStateError",
    may_break=("LIFE-6",),
)
class CorruptIsNotDeleted(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        self.get_state()
        return super().delete_state(token)


@mutant(
    "corrupt-is-mended-by-a-deletion",
    "A refused deletion puts an empty state where what is there cannot be read.",
    "CAS-15",
    message="get_state() after delete_state",
)
class CorruptIsMendedByADeletion(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        if token is not None and _is_corrupt(self):
            super().delete_state()
            self.set_state(b"")
            return False
        return super().delete_state(token)


MUTANTS = (
    _bends(
        _without_holes, "holes-are-lost", "A block of NUL is a hole, and a hole is nothing.", "came back", "STATE-10"
    ),
    _bends(
        _without_what_ends_it,
        "a-hole-at-the-end-is-lost",
        "A file that ends with a hole is as long as what was written last.",
        "came back with",
        "STATE-10",
    ),
    _bends(
        _in_the_order_of_text,
        "parts-in-the-order-of-text",
        "A large state is kept in parts, which are read in the order of their names: 10 before 2.",
        "of max_state_bytes",
        "STATE-5",
    ),
    _bends(
        _with_a_part_twice,
        "an-eleventh-part",
        "The number of a part is one digit: the eleventh is the first.",
        "of max_state_bytes",
        "STATE-5",
    ),
    CorruptIsDeletedByAnyToken,
    CorruptIsNotDeleted,
    CorruptIsMendedByADeletion,
)

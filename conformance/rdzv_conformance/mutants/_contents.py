"""Mutants of RDZV-STATE-3, 10 and 11: what is looked into, what is cut, what is torn."""

from __future__ import annotations

import gzip
import time
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import SetStateResult, StateSnapshot, Token

READ = ("STATE-3", "STATE-4", "STATE-5", "STATE-8", "RUN-2", "CAS-3", "CAS-7")
"""What a mutant that reads other bytes than were written may break as well."""


class _Reads(SoundMemory):
    """Sound but for what a read gives: a subclass says with `seen` what becomes of the bytes."""

    def seen(self, state: bytes) -> bytes:
        raise NotImplementedError

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found and found._replace(state=self.seen(found.state))


def _reading(name: str, sentence: str, seen: Callable[[bytes], bytes], *breaks: str, message: str) -> Mutant:
    broken = type("Broken", (_Reads,), {"seen": lambda _, state: seen(state), "__module__": __name__})
    return mutant(name, sentence, *breaks, message=message, may_break=READ)(broken)


def _unpacked(state: bytes) -> bytes:
    try:
        return gzip.decompress(state)
    except (OSError, EOFError, zlib.error):
        return state


def _inflated(state: bytes) -> bytes:
    try:
        return zlib.decompress(state)
    except zlib.error:
        return state


def _composed(state: bytes) -> bytes:
    try:
        return unicodedata.normalize("NFC", state.decode()).encode()
    except UnicodeDecodeError:
        return state


def _a_number(state: bytes) -> bytes:
    return b"%d" % int(state) if state.isdigit() else state


def _spelled_out(state: bytes) -> bytes:
    try:
        return bytes.fromhex(state[2:].decode()) if state[:2] == b"\\x" else state
    except ValueError:
        return state


def _without_last_block(state: bytes) -> bytes:
    return state[:-4096] if len(state) > 4096 and len(state) % 4096 == 0 else state


@mutant(
    "gzip-is-corrupt",
    "A state that begins with 1f 8b is taken for gzip, and is corrupt where it cannot be unpacked.",
    "STATE-3",
    message="raised",
    may_break=("LIFE-6",),
)
class GzipIsCorrupt(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        if found and found.state.startswith(b"\x1f\x8b"):
            return found._replace(state=gzip.decompress(found.state))
        return found


@mutant(
    "equal-checksums-are-equal",
    "A write whose CRC-32 is that of what is there already is acknowledged and left out.",
    "STATE-3",
    message="nearly alike",
)
class EqualChecksums(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            before = self.get_state()
            if before and state != before.state and zlib.crc32(state) == zlib.crc32(before.state):
                answer = super().set_state(before.state, token)
                return answer and answer._replace(state=state)
            return super().set_state(state, token)


@mutant(
    "a-longer-one-shows-through",
    "A state is written over the longer one before it in place, and the rest of that stays, from 4 KiB on.",
    "STATE-10",
    message="came back with",
    may_break=("STATE-4", "STATE-5", "STATE-3"),
)
class ALongerOneShowsThrough(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            before = self.get_state() if len(state) > 4096 else None
            answer = super().set_state(state, token)
            if before and answer and answer.has_set and len(before.state) > len(state):
                longer = super().set_state(state + before.state[len(state) :], answer.token)
                return longer and longer._replace(state=state)
            return answer


class _Torn(SoundMemory):
    """For a moment after a large write a read mixes it with the one before."""

    SECONDS = 0.001

    def mixed(self, new: bytes, old: bytes) -> bytes:
        raise NotImplementedError

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        writing: dict[str, bytes] = vars(self.hub).setdefault("writing", {})
        with self.opened():
            before = super().get_state()
            answer = super().set_state(state, token)
            torn = before is not None and answer is not None and answer.has_set and len(before.state) > 32 * 1024
            if torn and before is not None:
                writing[self.key] = before.state
        if torn:
            time.sleep(self.SECONDS)
            writing.pop(self.key, None)
        return answer if answer is None or answer.has_set else self._read(answer)

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        old = vars(self.hub).get("writing", {}).get(self.key)
        return found if found is None or old is None else found._replace(state=self.mixed(found.state, old))

    def _read(self, answer: SetStateResult) -> SetStateResult:
        return answer


@mutant(
    "the-new-half-and-the-old",
    "A reader sees the first half of a large state as it is, and the second as it was.",
    "STATE-11",
    message="parts of 2 writes",
)
class TheNewHalfAndTheOld(_Torn):
    def mixed(self, new: bytes, old: bytes) -> bytes:
        return new[: len(new) // 2] + old[len(old) // 2 :]


@mutant(
    "blocks-come-one-by-one",
    "A large state is kept in blocks of 64 KiB, and each is replaced by itself.",
    "STATE-11",
    message="it must give a state as one write made it",
)
class BlocksComeOneByOne(_Torn):
    def mixed(self, new: bytes, old: bytes) -> bytes:
        return old[:65536] + new[65536:]


@mutant(
    "the-old-length",
    "A reader has the length of the state before, and reads so many bytes of the new one.",
    "STATE-11",
    message="it must give a state as one write made it",
)
class TheOldLength(_Torn):
    def mixed(self, new: bytes, old: bytes) -> bytes:
        return new[: len(old)].ljust(len(old), b"\0")


@mutant(
    "a-refusal-is-torn",
    "Reads are whole; what a refused write gives is read in two requests.",
    "STATE-11",
    message="a refused set_state gave",
)
class ARefusalIsTorn(_Torn):
    def mixed(self, new: bytes, old: bytes) -> bytes:  # noqa: ARG002 - reads are whole
        return new

    def _read(self, answer: SetStateResult) -> SetStateResult:
        old = vars(self.hub).get("writing", {}).get(self.key)
        half = len(answer.state) // 2
        return answer if old is None else answer._replace(state=answer.state[:half] + old[half:])


MUTANTS = (
    _reading(
        "drops-a-byte-order-mark",
        "States are decoded as utf-8-sig.",
        lambda state: state.removeprefix(b"\xef\xbb\xbf"),
        "STATE-3",
        message="must be",
    ),
    _reading(
        "unpacks-gzip",
        "What is gzip is unpacked, as an HTTP client does it.",
        _unpacked,
        "STATE-3",
        message="it must be",
    ),
    _reading("inflates", "What is zlib is inflated.", _inflated, "STATE-3", message="it must be"),
    _reading("composes", "Text is normalised to NFC.", _composed, "STATE-3", message="it must be"),
    _reading(
        "is-a-number", "A column without a type makes a number of 007.", _a_number, "STATE-3", message="it must be"
    ),
    _reading("is-hex", "A driver decodes \\x61 as bytea.", _spelled_out, "STATE-3", message="it must be"),
    _reading(
        "unquotes",
        "A state goes through a URL, and %41 comes back as A.",
        urllib.parse.unquote_to_bytes,
        "STATE-3",
        message="it must be",
    ),
    _reading(
        "strips-nul",
        "A column of a fixed width is filled up with NUL.",
        lambda state: state.rstrip(b"\0"),
        "STATE-3",
        message="it must be",
    ),
    _reading(
        "ends-at-control-z",
        "A file opened as text ends at 1a.",
        lambda state: state.partition(b"\x1a")[0],
        "STATE-3",
        message="it must be",
    ),
    _reading(
        "a-last-block-is-lost",
        "The loop over blocks of 4 KiB ends one too early where they fit.",
        _without_last_block,
        "STATE-10",
        "STATE-4",
        message="came back with",
    ),
    _reading(
        "sixteen-bits-of-length",
        "The length is kept in 16 bits.",
        lambda state: state[: len(state) % 65536] if len(state) > 65536 else state,
        "STATE-10",
        "STATE-4",
        message="came back with",
    ),
    _reading(
        "cut-at-65536",
        "What is over 64 KiB less than 128 KiB is cut.",
        lambda state: state[:65536] if len(state) < 131072 else state,
        "STATE-10",
        message="came back with",
    ),
    _reading(
        "odd-lengths-are-padded",
        "A block cipher pads, from 1 KiB on, and nobody takes the padding off.",
        lambda state: state + b"\0" * (-len(state) % 16) if len(state) > 1024 else state,
        "STATE-10",
        message="came back with",
    ),
    _reading(
        "swaps-the-edges",
        "Of two blocks of 8 KiB the bytes at the edge change places.",
        lambda state: state[:8191] + state[8192:8193] + state[8191:8192] + state[8193:],
        "STATE-10",
        message="with other bytes from",
    ),
    GzipIsCorrupt,
    EqualChecksums,
    ALongerOneShowsThrough,
    TheNewHalfAndTheOld,
    BlocksComeOneByOne,
    TheOldLength,
    ARefusalIsTorn,
)

"""Mutants of RDZV-CAS-5, 7 and 15: tokens that come again, and tokens that are compared in part."""

from __future__ import annotations

import itertools
import random
import secrets
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_conformance.mutants._tokens import OtherTokens
from rdzv_core import SetStateResult, StateSnapshot, Token, accepts_options

REFUSED = ("STATE-6", "STATE-7", "CAS-6", "CAS-8", "WATCH-1")


class _Draws(OtherTokens):
    """Has a token for each write that `draw` draws."""

    def draw(self) -> Any:
        raise NotImplementedError

    def shown(self, found: StateSnapshot) -> Any:
        drawn = vars(self.hub).setdefault(f"drawn by {type(self).__name__}", {})
        if found.token not in drawn:
            drawn[found.token] = self.draw()
        return drawn[found.token]


@mutant(
    "sixteen-bits",
    "A token is drawn at random from 65,536.",
    "CAS-7",
    message="must have a token of its own",
    may_break=("CAS-5", "CAS-8", "CAS-4", "CAS-9", "CAS-10"),
)
class SixteenBits(_Draws):
    def draw(self) -> Any:
        return secrets.randbelow(65_536)


@mutant(
    "counts-in-twelve-bits",
    "A token counts the writes of the store, and begins again after 4,096.",
    "CAS-7",
    message="must have a token of its own",
    may_break=("CAS-5", "CAS-8"),
)
class CountsInTwelveBits(_Draws):
    def draw(self) -> Any:
        counter: Iterator[int] = vars(self.hub).setdefault("twelve bits", itertools.count(1))
        return next(counter) % 4096


@mutant(
    "the-time-in-ms",
    "A token is the time of the write in milliseconds.",
    "CAS-7",
    message="must have",
    may_break=(*(f"CAS-{number}" for number in (3, 4, 5, 8, 9, 10)), *REFUSED, "RUN-3", "LIFE-3", "STATE-3"),
)
class TheTimeInMs(_Draws):
    def draw(self) -> Any:
        return time.time_ns() // 1_000_000


class _InPart(SoundMemory):
    """Compares a part of each token: `part` of the given one with `part` of the current one."""

    def part(self, token: bytes) -> Any:
        raise NotImplementedError

    def meant(self, token: Any) -> Any:
        """Return the current token, if this one is taken for it."""
        with self.opened():
            found = self.hub.registers.get(self.key) if isinstance(token, bytes) and len(token) >= 8 else None
            return found.token if found and self.part(token) == self.part(bytes(found.token)) else token  # type: ignore[arg-type]


class _WritesInPart(_InPart):
    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        with self.opened():
            return super().set_state(state, self.meant(token))


@mutant(
    "the-first-eight-bytes", "Only the first 8 bytes of a token are compared.", "CAS-5", message="gave has_set=True"
)
class TheFirstEightBytes(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return token[:8]


@mutant("the-last-eight-bytes", "Only the last 8 bytes of a token are compared.", "CAS-5", message="gave has_set=True")
class TheLastEightBytes(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return token[-8:]


@mutant(
    "seven-bits-of-each",
    "A token goes through ASCII, and the highest bit of each byte is lost.",
    "CAS-5",
    message="gave has_set=True",
)
class SevenBitsOfEach(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return bytes(byte & 0x7F for byte in token)


@mutant(
    "what-is-on-top-is-cut",
    "A token that is too long is cut to the length of a real one.",
    "CAS-5",
    message="gave has_set=True",
)
class WhatIsOnTopIsCut(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return token[:16]


@mutant(
    "one-byte-is-not-compared",
    "The loop over a token's bytes leaves out the tenth.",
    "CAS-5",
    message="gave has_set=True",
)
class OneByteIsNotCompared(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return token[:9] + token[10:]


@mutant(
    "deletes-by-eight-bytes",
    "A deletion compares the first 8 bytes of the token.",
    "CAS-15",
    message="it must be False",
)
class DeletesByEightBytes(_InPart):
    def part(self, token: bytes) -> Any:
        return token[:8]

    def delete_state(self, token: Any = None) -> bool:
        with self.opened():
            return super().delete_state(self.meant(token))


@mutant(
    "deletes-by-any-token",
    "A deletion does not look at the token.",
    "CAS-15",
    message="it must be False",
    may_break=("CAS-1", "CAS-8"),
)
class DeletesByAnyToken(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:  # noqa: ARG002 - that is the fault
        return super().delete_state()


@mutant(
    "falsy-deletes",
    "`if not token` takes an empty token for none, and deletes.",
    "CAS-15",
    message="it must be False",
    may_break=("CAS-1", "CAS-8"),
)
class FalsyDeletes(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        return super().delete_state(token or None)


@mutant(
    "all-who-delete-are-told-so",
    "A deletion says True if the key is not there afterwards.",
    "CAS-15",
    message="it must be",
    may_break=("CAS-1", "CAS-8"),
)
class AllWhoDeleteAreToldSo(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        return super().delete_state(token) or self.key not in self.hub.raw


class ForkedRandom(SoundRemote):
    """Draws its tokens itself, from a generator that a fork copies."""

    generator: ClassVar[random.Random] = random.Random(secrets.randbits(64))

    def nonce(self) -> bytes | None:
        return self.generator.randbytes(16)


class CountsInTheProcess(SoundRemote):
    """Draws once what it takes for this process's own, and counts."""

    process: ClassVar[bytes] = secrets.token_bytes(8)
    counter: ClassVar[Iterator[int]] = itertools.count()

    def nonce(self) -> bytes | None:
        return self.process + next(self.counter).to_bytes(8, "big")


class SeedsEachInstance(SoundRemote):
    """Each instance has a generator, whose seed counts the instances of what it takes for this process."""

    process: ClassVar[int] = secrets.randbits(32)
    instances: ClassVar[Any] = itertools.count()
    generator: random.Random | None = None

    def nonce(self) -> bytes | None:
        if self.generator is None:
            self.generator = random.Random(self.process + next(self.instances))
        return self.generator.randbytes(16)


def _forked(broken: type[SoundRemote], name: str, sentence: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(
        name, sentence, ("RDZV-CAS-7",), "parent and children of a fork", factory, ("RDZV-CONN-10",), remotely
    )


MUTANTS = (
    SixteenBits,
    CountsInTwelveBits,
    TheTimeInMs,
    TheFirstEightBytes,
    TheLastEightBytes,
    SevenBitsOfEach,
    WhatIsOnTopIsCut,
    OneByteIsNotCompared,
    DeletesByEightBytes,
    DeletesByAnyToken,
    FalsyDeletes,
    AllWhoDeleteAreToldSo,
    _forked(ForkedRandom, "forked-random", "Tokens are drawn from a generator that a fork copies."),
    _forked(
        CountsInTheProcess, "counts-in-the-process", "A token is a number of the process, drawn once, and a counter."
    ),
    _forked(SeedsEachInstance, "seeds-each-instance", "Each instance has a generator, seeded by how many there were."),
)

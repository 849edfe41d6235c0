"""Mutants of RDZV-CAS-5 and 7, RUN-1 to 3 and STATE-9: near tokens, near names, and what a change takes along."""

from __future__ import annotations

import base64
import copy
import re
import secrets
import unicodedata
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._tokens import NOT_CURRENT, OtherTokens
from rdzv_conformance.mutants._unique import _Draws, _WritesInPart
from rdzv_core import RendezvousParameters, SetStateResult, StateSnapshot, Token
from rdzv_core.memory import MemoryHub


@mutant(
    "the-lowest-bit-is-not-compared",
    "The lowest bit of each byte is a parity bit somewhere on the way.",
    "CAS-5",
    message="gave has_set=True",
)
class TheLowestBit(_WritesInPart):
    def part(self, token: bytes) -> Any:
        return bytes(byte & 0xFE for byte in token) if len(token) == 16 else token


class _Text(OtherTokens):
    """Its tokens are text, and `meant` says which real token one stands for."""

    def meant(self, token: str) -> bytes:
        raise NotImplementedError

    def _real(self, token: Any) -> Any:
        try:
            return None if token is None else (isinstance(token, str) and self.meant(token)) or NOT_CURRENT
        except ValueError:
            return NOT_CURRENT


@mutant(
    "base64-is-read-loosely",
    "A token is base64, and compared when it was decoded: the bits that its end has too many do not count.",
    "CAS-5",
    message="gave has_set=True",
)
class Base64IsReadLoosely(_Text):
    def shown(self, found: StateSnapshot) -> Token:
        return base64.b64encode(bytes(found.token)).decode()  # type: ignore[arg-type]

    def meant(self, token: str) -> bytes:
        return base64.b64decode(token, validate=True)


@mutant(
    "wide-tokens-are-narrow",
    "A token is text, and compared in the form NFKC.",
    "CAS-5",
    message="gave has_set=True",
)
class WideTokens(_Text):
    def shown(self, found: StateSnapshot) -> Token:
        return bytes(found.token).hex()  # type: ignore[arg-type]

    def meant(self, token: str) -> bytes:
        text = unicodedata.normalize("NFKC", token)
        return bytes.fromhex(text) if re.fullmatch("[0-9a-f]{32}", text) else NOT_CURRENT


@mutant(
    "looks-tokens-up",
    "A token is looked up in a table: a list is a TypeError.",
    "CAS-5",
    "CAS-6",
    message="raised TypeError",
    may_break=("CAS-15",),
)
class LooksTokensUp(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        vars(self.hub).setdefault("known", {}).get(token)
        return super().set_state(state, token)


@mutant(
    "writes-tokens-out",
    "A token is written out for a log: the number of 5,000 digits is a ValueError.",
    "CAS-5",
    "CAS-6",
    message="raised ValueError",
)
class WritesTokensOut(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        repr(token)
        return super().set_state(state, token)


@mutant(
    "forty-bits",
    "A token is drawn at random from 2^40: a million writes later two are alike.",
    "CAS-7",
    message="must have a token of its own",
)
class FortyBits(_Draws):
    def draw(self) -> Any:
        return secrets.token_hex(5)


@mutant(
    "a-random-int",
    "A token is a random number of 31 bits, as a column of type INTEGER holds it.",
    "CAS-7",
    message="must have a token of its own",
    may_break=("CAS-5", "CAS-8"),
)
class ARandomInt(_Draws):
    def draw(self) -> Any:
        return secrets.randbelow(2**31)


class _Knows(SoundMemory):
    """Knows the run of every register of the store."""

    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        super().__init__(params, hub)
        self.runs: dict[str, str] = vars(self.hub).setdefault("runs", {})
        self.runs[self.key] = params.run_id

    def others(self) -> list[str]:
        """Return the keys that a deletion takes along."""
        raise NotImplementedError

    def delete_state(self, token: Token | None = None) -> bool:
        with self.opened():
            deleted = super().delete_state(token)
            for key in self.others() if deleted else ():
                self.hub.raw.pop(key, None)
            return deleted


@mutant(
    "deletes-its-siblings",
    "To delete the register of a run takes those of its purposes along.",
    "RUN-1",
    "RUN-3",
    message="after a deletion of another register",
    may_break=("WATCH-6", "LIFE-6"),
)
class DeletesItsSiblings(_Knows):
    def others(self) -> list[str]:
        own = self._params.run_id if self.key == self.run else None
        return [key for key in self.hub.raw if self.runs.get(key) == own]


@mutant(
    "deletes-by-its-beginning",
    "A deletion takes along what begins with the run id, as a prefix of etcd or a pattern of Redis does it.",
    "RUN-1",
    "RUN-3",
    message="after a deletion of run and purpose",
    may_break=("RUN-2", "LIST-1", "LIST-2", "CAS-8"),
)
class DeletesByItsBeginning(_Knows):
    def others(self) -> list[str]:
        own = self._params.run_id
        return [key for key in self.hub.raw if self.runs.get(key, own) != own and self.runs[key].startswith(own)]


@mutant(
    "updates-by-a-pattern",
    "An update is for every key LIKE the run id: its underscore fits any character.",
    "RUN-1",
    "RUN-3",
    message="after an update of another register",
)
class UpdatesByAPattern(_Knows):
    def others(self) -> list[str]:
        return []

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            answer = super().set_state(state, token)
            pattern = re.compile(re.escape(self._params.run_id).replace("_", "."))
            for key in [*self.hub.raw] if answer and answer.has_set and token is not None else ():
                if "_" in self._params.run_id and pattern.fullmatch(self.runs.get(key, "")):
                    self.hub.raw[key] = self.hub.raw[self.key]
            return answer


def _named(name: str, sentence: str, spelled: Callable[[str], str]) -> Mutant:
    class Broken(SoundMemory):
        def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
            super().__init__(params, hub)
            other = copy.copy(params)
            other.run_id = spelled(params.run_id)
            self.key = other.key

    made = mutant(name, sentence, "RUN-2", message="share its key", may_break=("RUN-4", "LIST-1", "LIST-2", "LIFE-6"))
    return made(Broken)


@mutant(
    "purposes-of-400",
    "A purpose is cut at 400 characters.",
    "RUN-3",
    message="share its key",
)
class PurposesOf400(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        return super().sibling(purpose[:400])


@mutant(
    "a-sibling-of-both",
    "A sibling of a sibling is for both purposes, and nobody else finds it.",
    "RUN-3",
    message="of a sibling's sibling",
    may_break=("LIFE-6",),
)
class ASiblingOfBoth(SoundMemory):
    here = ""

    def sibling(self, purpose: str) -> SoundMemory:
        both = f"{self.here}.{purpose}" if self.here else purpose
        made = super().sibling(both)
        vars(made)["here"] = both
        return made


@mutant(
    "gone-with-the-last",
    "The register of which no instance is open any more is dropped, to save memory.",
    "STATE-9",
    message="after the last instance",
    may_break=("LIFE-5", "STATE-13", "LIST-1", "CAS-5", "RUN-3", "WATCH-1", "STATE-8", "CAS-7"),
)
class GoneWithTheLast(SoundMemory):
    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        super().__init__(params, hub)
        self.open: dict[str, int] = vars(self.hub).setdefault("open", {})
        self.open[self.key] = self.open.get(self.key, 0) + 1

    def close(self) -> None:
        if not self._closed:
            self.open[self.key] -= 1
            if not self.open[self.key]:
                self.hub.raw.pop(self.key, None)
        super().close()


MUTANTS = (
    TheLowestBit,
    Base64IsReadLoosely,
    WideTokens,
    LooksTokensUp,
    WritesTokensOut,
    FortyBits,
    ARandomInt,
    DeletesItsSiblings,
    DeletesByItsBeginning,
    UpdatesByAPattern,
    _named(
        "slashes-are-quoted", "A slash is written as %2F, and a percent sign as it is.", lambda r: r.replace("/", "%2F")
    ),
    _named("nul-is-escaped", "A NUL is written as \\0, and a backslash as it is.", lambda r: r.replace("\0", "\\0")),
    _named(
        "long-names-without-their-middle",
        "A name over 512 characters is its first and its last 256.",
        lambda run_id: run_id if len(run_id) <= 512 else run_id[:256] + run_id[-256:],
    ),
    PurposesOf400,
    ASiblingOfBoth,
    GoneWithTheLast,
)

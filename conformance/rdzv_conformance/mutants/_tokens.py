"""Mutants of RDZV-CAS: who may write."""

from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import SetStateResult, StateSnapshot, Token

NOT_CURRENT = b"not the current token"


class OtherTokens(SoundMemory):
    """Sound but for its tokens: a subclass says with `shown` what callers see of a write's real one."""

    def shown(self, found: StateSnapshot) -> Any:
        raise NotImplementedError

    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found and StateSnapshot(found.state, self.shown(found))

    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        with self.opened():
            answer = super().set_state(state, self._real(token))
            if answer is None:
                return None
            return SetStateResult(answer.state, self.shown(StateSnapshot(*answer[:2])), answer.has_set)

    def wait_state(self, token: Any, timeout: float) -> tuple[bool, StateSnapshot | None]:
        changed, found = super().wait_state(self._real(token), timeout)
        return changed, found and StateSnapshot(found.state, self.shown(found))

    def delete_state(self, token: Any = None) -> bool:
        return super().delete_state(self._real(token))

    def _real(self, token: Any) -> Any:
        with self.opened():
            found = self.hub.registers.get(self.key) if token is not None else None
            if token is None:
                return None
            return found.token if found and self.is_same(self.shown(found), token) else NOT_CURRENT

    def is_same(self, shown: Any, token: Any) -> bool:
        """Return whether a token that was given is what callers see of the current one."""
        return type(token) is type(shown) and bool(shown == token)


@mutant(
    "token-is-the-value",
    "The token is the value itself, so that a value that returns revives its token (E1).",
    "CAS-7",
    "CAS-8",
    "CAS-9",
    "CAS-5",
    message="has the token of the first A again",
    may_break=("CAS-10", "CAS-4", "STATE-6", "STATE-7"),
)
class TokenIsTheValue(OtherTokens):
    def shown(self, found: StateSnapshot) -> Token:
        return found.state


@mutant(
    "counter-from-one",
    "The token counts the writes of a key, and starts again when the key was deleted.",
    "CAS-8",
    "CAS-5",
    message="has the deleted one's token",
    may_break=("CAS-7",),  # two registers count alike
)
class CounterFromOne(OtherTokens):
    def shown(self, found: StateSnapshot) -> Token:
        seen: dict[str, list[Token]] = vars(self.hub).setdefault("tokens seen", {})
        tokens = seen.setdefault(self.key, [])
        if found.token not in tokens:
            tokens.append(found.token)
        return tokens.index(found.token) + 1

    def delete_state(self, token: Any = None) -> bool:
        deleted = super().delete_state(token)
        vars(self.hub).get("tokens seen", {}).pop(self.key, None)
        return deleted


@mutant(
    "token-in-a-list",
    "The token is a mutable list, as a JSON answer gives it.",
    "CAS-10",
    message="it must be bytes, int or str",
    may_break=("CAS-7", "CAS-5", "CAS-8"),
)
class TokenInAList(OtherTokens):
    def shown(self, found: StateSnapshot) -> Any:
        return [found.token]


@mutant(
    "tokens-in-any-case",
    "Tokens are kept as text in a column that compares without regard to case.",
    "CAS-5",
    message="gave has_set=True",
)
class TokensInAnyCase(OtherTokens):
    def shown(self, found: StateSnapshot) -> Any:
        assert isinstance(found.token, bytes)
        return found.token.hex()

    def _real(self, token: Any) -> Any:
        return super()._real(token.lower() if isinstance(token, str) else token)


@mutant(
    "equal-bytes-win",
    "has_set says whether the register holds what the caller wanted, not whether the caller put it there (E2).",
    "CAS-9",
    "CAS-2",
    "CAS-7",
    message="the number of writers told True",
    may_break=("CAS-11", "CAS-12", "RUN-3"),
)
class EqualBytesWin(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        return answer and answer._replace(has_set=answer.state == state)


@mutant(
    "decodes-tokens",
    "The token is decoded as text before it is compared (E5).",
    "CAS-5",
    "CAS-6",
    message="raised UnicodeDecodeError",
)
class DecodesTokens(SoundMemory):
    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        if isinstance(token, bytes) and len(token) != 16:
            token.decode("utf-8")
        return super().set_state(state, token)


@mutant(
    "tokens-of-one-type",
    "A token of another type than one's own is a TypeError.",
    "CAS-5",
    "CAS-6",
    message="raised TypeError",
    may_break=("LIFE-2", "STATE-7"),
)
class TokensOfOneType(SoundMemory):
    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        if token is not None and not isinstance(token, bytes):
            raise TypeError(f"a token is bytes, not {type(token).__name__}")
        return super().set_state(state, token)


@mutant(
    "falsy-is-none",
    "`if not token` takes an empty token for none.",
    "CAS-6",
    message="where there is no state",
)
class FalsyIsNone(SoundMemory):
    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        return super().set_state(state, token or None)


@mutant(
    "any-token-creates",
    "Where there is no state a write goes through with whatever token.",
    "CAS-6",
    "CAS-8",
    message="where there is no state",
)
class AnyTokenCreates(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        return super().set_state(state) if answer is None else answer


@mutant(
    "none-overwrites",
    "Without a token a write goes through whatever is there.",
    "CAS-2",
    "CAS-9",
    "STATE-3",
    message="gave has_set=True",
    may_break=("CAS-11", "CAS-12", "CAS-13", "RUN-3"),
)
class NoneOverwrites(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            found = super().get_state()
            return super().set_state(state, found.token if found and token is None else token)


@mutant(
    "stale-tokens-win",
    "Last writer wins: any token but a malformed one is good enough.",
    "CAS-4",
    "CAS-7",
    "CAS-8",
    "CAS-9",
    message="gave has_set=True",
    may_break=("CAS-5", "CAS-11", "CAS-12", "CAS-13", "RUN-3"),
)
class StaleTokensWin(SoundMemory):
    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        with self.opened():
            found = super().get_state()
            known = isinstance(token, bytes) and len(token) == 16
            return super().set_state(state, found.token if found and known else token)


@mutant(
    "a-refusal-gives-ones-own",
    "A refused write gives back the state that the caller wanted, with has_set False (E7).",
    "CAS-4",
    "CAS-2",
    "CAS-5",
    message="the state that the refused",
    may_break=("STATE-3", "CAS-7", "CAS-8", "CAS-9", "RUN-3"),
)
class ARefusalGivesOnesOwn(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        return answer and answer._replace(state=state)


@mutant(
    "a-refusal-is-none",
    "A refused write gives None, as if there were no state.",
    "CAS-4",
    "CAS-2",
    "CAS-5",
    message="gave None where there is a state",
    may_break=("STATE-3", "CAS-7", "CAS-8", "CAS-9", "RUN-3"),
)
class ARefusalIsNone(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        return answer if answer and answer.has_set else None


@mutant(
    "keeps-the-token",
    "An update keeps the token of the state's creation.",
    "CAS-3",
    "CAS-4",
    "CAS-7",
    "CAS-9",
    message="it must have a new one",
    may_break=("CAS-8", "CAS-11", "CAS-12", "CAS-13", "RUN-3", "LIFE-3"),
)
class KeepsTheToken(OtherTokens):
    def shown(self, found: StateSnapshot) -> Token:
        first: dict[str, Token] = vars(self.hub).setdefault("first tokens", {})
        return first.setdefault(self.key, found.token)

    def delete_state(self, token: Any = None) -> bool:
        deleted = super().delete_state(token)
        vars(self.hub).get("first tokens", {}).pop(self.key, None)
        return deleted


ROUND_TRIP = 0.0002


@mutant(
    "checks-then-writes",
    "The token is compared first and the state written afterwards, in a request of its own, without a lock over both.",
    "CAS-11",
    "CAS-12",
    message="each token has one winner",
    may_break=("CAS-9",),
)
class ChecksThenWrites(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        found = self.get_state()
        if found is None or type(token) is not bytes or token != found.token:
            return super().set_state(state, token)
        time.sleep(ROUND_TRIP)
        with self.opened():
            now = self.get_state()
            return super().set_state(state, now and now.token)


MUTANTS = (
    TokenIsTheValue,
    CounterFromOne,
    TokenInAList,
    TokensInAnyCase,
    EqualBytesWin,
    DecodesTokens,
    TokensOfOneType,
    FalsyIsNone,
    AnyTokenCreates,
    NoneOverwrites,
    StaleTokensWin,
    ARefusalGivesOnesOwn,
    ARefusalIsNone,
    KeepsTheToken,
    ChecksThenWrites,
)

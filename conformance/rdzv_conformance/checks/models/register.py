"""The model of a register: what it holds, and every token that there was."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from rdzv_conformance.checks.models.running import INSTANCES, Model
from rdzv_conformance.harness.expect import shown
from rdzv_core import SupportsDelete, SupportsWatch

WHO = st.sampled_from(INSTANCES)
STATES = st.sampled_from([b"a", b"b", b"", b"\x00\xff\n"])
MALFORMED = (b"", b"\xff", "invalid", 0, ())
WHICH = st.sampled_from(["none", "current", "current", "stale", "older", *map(repr, MALFORMED)])


class _Token(NamedTuple):
    """A token, and the expression by which the program has it."""

    value: Any
    text: str


class _Held(NamedTuple):
    state: bytes
    token: _Token
    writer: str


class RegisterModel(Model):
    """A register that two instances write, read, delete and wait for, one call after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.held: _Held | None = None
        self.tokens: list[_Token] = []
        self.deletions: int = 0

    @rule(who=WHO, state=STATES, which=WHICH)
    def set_state(self, who: str, state: bytes, which: str) -> None:
        """Write with a token of some kind."""
        if self.over:
            return
        token, held = self._token(which), self.held
        clause = self._clause(token)
        arguments = repr(state) if token.value is None else f"{state!r}, {token.text}"
        name, answer = self.call(clause, who, "set_state", arguments, self.opened[who].set_state, state, token.value)
        if held is None and token.value is not None:
            self.must(
                answer is None, clause, f"{name} is None", f"a token where there is no state gave {shown(answer)}"
            )
        elif held is not None and token is not held.token:
            self.must(
                answer == (held.state, held.token.value, False),
                clause,
                f"{name} == ({held.state!r}, {held.token.text}, False)",
                f"set_state({arguments}) gave {shown(answer)}: it must be refused, and give what is there",
            )
        else:
            self.must(
                answer is not None and (answer.state, answer.has_set) == (state, True),
                clause,
                f"{name} is not None and {name}[0] == {state!r} and {name}[2]",
                f"set_state({arguments}) gave {shown(answer)}: it must write",
            )
            self.must(
                answer.token not in [each.value for each in self.tokens],
                "RDZV-CAS-8" if self.deletions else "RDZV-CAS-7",
                f"{name}[1] not in ({''.join(f'{each.text}, ' for each in self.tokens)})",
                f"a write has the token {shown(answer.token)}, which another one had: each must have its own",
            )
            self.tokens.append(_Token(answer.token, f"{name}[1]"))
            self.held = _Held(state, self.tokens[-1], who)

    @rule(who=WHO)
    def get_state(self, who: str) -> None:
        """Read."""
        if self.over:
            return
        name, answer = self.call("RDZV-STATE-2", who, "get_state", "", self.opened[who].get_state)
        self._is_there(who, name, answer)

    @precondition(lambda self: self.search.claims(SupportsDelete))
    @rule(who=WHO, which=WHICH)
    def delete_state(self, who: str, which: str) -> None:
        """Delete with a token of some kind."""
        if self.over:
            return
        token = self._token(which)
        fits = self.held is not None and (token.value is None or token is self.held.token)
        arguments = "" if token.value is None else token.text
        clause = "RDZV-CAS-8"
        name, answer = self.call(clause, who, "delete_state", arguments, self.opened[who].delete_state, token.value)
        self.must(
            answer is fits, clause, f"{name} is {fits}", f"delete_state({arguments}) gave {answer}: it must be {fits}"
        )
        if fits:
            self.held = None
            self.deletions += 1

    @precondition(lambda self: self.search.claims(SupportsWatch))
    @rule(who=WHO, which=WHICH)
    def wait_state(self, who: str, which: str) -> None:
        """Wait for no time: it tells at once whether the token is still the one."""
        if self.over:
            return
        token, held = self._token(which), self.held
        changed = held is not None if token.value is None else held is None or token is not held.token
        clause = "RDZV-WATCH-4" if not changed else "RDZV-WATCH-3" if held is None else "RDZV-WATCH-1"
        arguments = f"{token.text}, 0"
        name, answer = self.call(clause, who, "wait_state", arguments, self.opened[who].wait_state, token.value, 0)
        there = None if held is None else (held.state, held.token.value)
        text = "None" if held is None else f"({held.state!r}, {held.token.text})"
        self.must(
            answer == (changed, there),
            clause,
            f"{name} == ({changed}, {text})",
            f"wait_state({arguments}) gave {shown(answer)}: it must be {shown((changed, there))}",
        )

    def _is_there(self, who: str, text: str, answer: Any) -> None:
        held = self.held
        if held is None:
            clause = "RDZV-STATE-8" if self.tokens else "RDZV-STATE-9"
            self.must(answer is None, clause, f"{text} is None", f"there is no state; {who} read {shown(answer)}")
            return
        clause = "RDZV-STATE-2" if who == held.writer else "RDZV-STATE-8"
        if held.state in (b"", b"\x00\xff\n"):
            clause = "RDZV-STATE-3"
        if answer is not None and answer.state == held.state and who == held.writer:
            clause = "RDZV-CAS-1"
        self.must(
            answer == (held.state, held.token.value),
            clause,
            f"{text} == ({held.state!r}, {held.token.text})",
            f"{held.writer} wrote {held.state!r}; {who} read {shown(answer)}",
        )

    def _token(self, which: str) -> _Token:
        if which == "current":
            return self.held.token if self.held else _Token(None, "None")
        old = [each for each in self.tokens if self.held is None or each is not self.held.token]
        if which in ("stale", "older"):
            return (old[-1] if which == "stale" else old[0]) if old else _Token(None, "None")
        value = next((each for each in MALFORMED if repr(each) == which), None)
        return _Token(value, repr(value))

    def _clause(self, token: _Token) -> str:
        """Return the clause that says what a write with this token does."""
        if token.value is None:
            return "RDZV-CAS-1" if self.held is None else "RDZV-CAS-2"
        if self.held is None:
            return "RDZV-CAS-6" if token not in self.tokens else "RDZV-CAS-8"
        if token is self.held.token:
            return "RDZV-CAS-3"
        return "RDZV-CAS-4" if token in self.tokens else "RDZV-CAS-5"

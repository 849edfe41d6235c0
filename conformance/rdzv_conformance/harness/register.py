"""An instance as the tests use it: every call watched, every answer read as the contract words it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, that
from rdzv_conformance.harness.watchdog import Calls
from rdzv_core import RendezvousBackend, SetStateResult, StateSnapshot, SupportsDelete, SupportsWatch, Token


class Register:
    """A backend instance; `backend` is the bare one.

    `pair` is the run and the purpose that it is the register of, and `own` says that these are the test's alone.
    """

    def __init__(
        self,
        backend: RendezvousBackend,
        calls: Calls,
        patience: float,
        adopt: Callable[[RendezvousBackend], Register],
    ) -> None:
        self.backend = backend
        self.closed: bool = False
        self.own = True
        self.pair: tuple[str, str] | None = None
        self._calls = calls
        self._patience = patience
        self._adopt = adopt

    def get_state(self, limit: float | None = None) -> StateSnapshot | None:
        """Read; an answer that is neither None nor `(bytes, token)` fails the clause."""
        found = self._call("get_state()", limit, self.backend.get_state)
        return None if found is None else _snapshot("get_state()", found)

    def set_state(self, state: bytes, token: Any = None, limit: float | None = None) -> SetStateResult | None:
        """Write; an answer that is neither None nor `(bytes, token, has_set)` fails the clause."""
        what = f"set_state({shown(state, 40)}, {shown(token)})"
        found = self._call(what, limit, self.backend.set_state, state, token)
        if found is None:
            return None
        if not isinstance(found, tuple) or len(found) != 3:
            raise ClauseFailed(f"{what} gave {shown(found)}: it must give (state, token, has_set) or None")
        return SetStateResult(*_snapshot(what, found[:2]), has_set=bool(found[2]))

    def write(self, state: bytes, token: Any = None) -> Token:
        """Write what must succeed, and give the new token."""
        written = self.set_state(state, token)
        what = f"set_state({shown(state, 40)}, {'None' if token is None else 'the current token'})"
        if written is None or not written.has_set:
            raise ClauseFailed(f"{what} was refused with {shown(written)}: it must write")
        equal(f"the state that {what} gave", written.state, state)
        return written.token

    def holds(self, state: bytes, token: Token, why: str) -> None:
        """Fail the clause unless the register holds `state` under `token`."""
        found = self.get_state()
        if found is None:
            raise ClauseFailed(f"get_state() gave None {why}: it must give {shown(state)}")
        equal(f"the state {why}", found.state, state)
        equal(f"the token {why}", found.token, token)

    def is_empty(self, why: str) -> None:
        """Fail the clause unless the register holds nothing."""
        equal(f"get_state() {why}", self.get_state(), None)

    def refuses(self, state: bytes, token: Any, current: StateSnapshot) -> None:
        """Fail the clause unless a write with `token` is refused, gives `current`, and leaves it there."""
        what = f"set_state({shown(state, 40)}, {shown(token)})"
        answer = self.set_state(state, token)
        if answer is None:
            raise ClauseFailed(f"{what} gave None where there is a state: it must give that state")
        that(not answer.has_set, f"{what} gave has_set=True: that token is not the current one, {shown(current.token)}")
        equal(f"the state that the refused {what} gave", answer.state, current.state)
        equal(f"the token that the refused {what} gave", answer.token, current.token)
        self.holds(*current, f"after the refused {what}")

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        """Wait for a change, on a backend that can."""
        assert isinstance(self.backend, SupportsWatch)
        what = f"wait_state({shown(token)}, {timeout})"
        found = self._call(what, timeout + self._patience, self.backend.wait_state, token, timeout)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ClauseFailed(f"{what} gave {shown(found)}: it must give (changed, snapshot or None)")
        return bool(found[0]), None if found[1] is None else _snapshot(what, found[1])

    def delete_state(self, token: Token | None = None) -> bool:
        """Delete, on a backend that can."""
        assert isinstance(self.backend, SupportsDelete)
        return bool(self._call(f"delete_state({shown(token)})", None, self.backend.delete_state, token))

    def sibling(self, purpose: str) -> Register:
        """Make a sibling, which is taken care of as well."""
        made = self._adopt(self._call(f"sibling({purpose!r})", None, self.backend.sibling, purpose))
        made.own, made.pair = self.own, None if self.pair is None else (self.pair[0], purpose)
        return made

    def close(self, limit: float | None = None) -> None:
        """Close the instance."""
        self.closed = True
        self._call("close()", limit, self.backend.close)

    def call(self, what: str, function: Callable[..., Any], *args: Any, limit: float | None = None) -> Any:
        """Make any other call of the backend, watched."""
        return self._call(what, limit, function, *args)

    def _call(self, what: str, limit: float | None, function: Callable[..., Any], *args: Any) -> Any:
        return self._calls.run(what, self._patience if limit is None else limit, function, *args)


def _snapshot(what: str, found: Any) -> StateSnapshot:
    if not isinstance(found, tuple) or len(found) != 2:
        raise ClauseFailed(f"{what} gave {shown(found)}: it must give (state, token) or None")
    state, token = found
    that(isinstance(state, bytes), f"{what} gave a state of type {type(state).__name__}: it must be bytes")
    that(token is not None, f"{what} gave the token None: a token must not be None")
    return StateSnapshot(state, token)

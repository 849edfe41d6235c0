"""The eight tests that every backend's own test class can inherit, under `unittest` and under pytest.

They are the numbered behaviours A1 to A8; the certificate's clauses go further, see `BackendConformance`.
"""

# ruff: noqa: N802 - a test is named after the numbered behaviour (A1 …) that it holds

from __future__ import annotations

import unittest
from abc import ABC, abstractmethod
from typing import Any

from rdzv_core import RendezvousBackend, RendezvousStateError, SetStateResult, Token


class RendezvousBackendTestMixin(ABC):
    """Tests of a backend that a subclass makes in `setUp` and keeps as `self._backend`, on an empty register.

    The subclass may put `unittest.TestCase` before or after this class in its bases, or leave it out: pytest then runs
    it as a class of its own (if its name starts with `Test`), `setUp` and `tearDown` included. A test class written
    for PyTorch's mixin of this name runs by changing its import.
    """

    _backend: RendezvousBackend

    @abstractmethod
    def _corrupt_state(self) -> None:
        """Put something into the backend's register, behind its back, that it cannot have written."""

    def test_A1_get_state_gives_what_was_set(self) -> None:
        """A1: after a write, get_state gives the state and a token."""
        self._backend.set_state(b"x")
        result = self._backend.get_state()
        if result is None:
            raise AssertionError("get_state() gave None after set_state(b'x'): it must give what was set")
        state, token = result
        _equal("the state read", state, b"x")
        _true(token is not None, "get_state() gave None as the token of a state: a token must not be None")

    def test_A2_get_state_gives_none_where_there_is_no_state(self) -> None:
        """A2: a register that nobody has written reads as None."""
        _equal("get_state() of an empty register", self._backend.get_state(), None)

    def test_A3_get_state_of_corrupt_storage_is_a_state_error(self) -> None:
        """A3: what cannot be read is an error, never "no state"."""
        self._corrupt_state()
        try:
            result = self._backend.get_state()
        except RendezvousStateError:
            return
        raise AssertionError(f"get_state() on corrupt storage gave {result!r}: it must raise RendezvousStateError")

    def test_A4_set_state_without_a_token_creates_the_state(self) -> None:
        """A4: without a token, and without a state, the write is done."""
        state, token, has_set = self._set_state(b"x")
        _equal("the state written", state, b"x")
        _true(token is not None, "set_state(b'x') gave None as the token: a token must not be None")
        _true(has_set, f"set_state(b'x') on an empty register gave has_set={has_set!r}: it must be True")

    def test_A5_set_state_with_the_current_token_updates_the_state(self) -> None:
        """A5: with the current token the write is done, and the new token is another."""
        _, first_token, _ = self._set_state(b"x")
        state, token, has_set = self._set_state(b"y", first_token)
        _equal("the state written", state, b"y")
        _true(has_set, f"set_state(b'y', current token) gave has_set={has_set!r}: it must be True")
        _true(token != first_token, f"a second write has the first one's token {token!r}: it must have its own")

    def test_A6_set_state_with_an_old_token_gives_the_current_state(self) -> None:
        """A6: with a token that has been used, nothing is written and what is there comes back."""
        _, old_token, _ = self._set_state(b"x")
        _, current_token, _ = self._set_state(b"y", old_token)
        self._expect_refusal(b"y", current_token, self._set_state(b"z", old_token))

    def test_A7_set_state_without_a_token_gives_the_state_that_is_there(self) -> None:
        """A7: without a token, where there is a state, nothing is written and what is there comes back."""
        _, current_token, _ = self._set_state(b"x")
        self._expect_refusal(b"x", current_token, self._set_state(b"y"))

    def test_A8_set_state_with_an_invalid_token_gives_the_current_state(self) -> None:
        """A8: with a token that never was one, nothing is written and what is there comes back."""
        _, current_token, _ = self._set_state(b"x")
        self._expect_refusal(b"x", current_token, self._set_state(b"y", "invalid"))

    def _set_state(self, state: bytes, token: Token | None = None) -> SetStateResult:
        result = self._backend.set_state(state, token)
        if result is None:
            raise AssertionError(f"set_state({state!r}, {token!r}) gave None: it must give what the register holds")
        return SetStateResult(*result)

    def _expect_refusal(self, state: bytes, token: Token, result: SetStateResult) -> None:
        _equal("the state after a refused write", result.state, state)
        _equal("the token after a refused write", result.token, token)
        _true(not result.has_set, f"a refused write gave has_set={result.has_set!r}: it must be False")

    # Without unittest nobody calls setUp and tearDown: pytest calls these two, on a TestCase as well.

    def setup_method(self, _method: object = None) -> None:
        """Call the subclass's `setUp`, unless `unittest` does."""
        self._call_unless_unittest("setUp")

    def teardown_method(self, _method: object = None) -> None:
        """Call the subclass's `tearDown`, unless `unittest` does."""
        self._call_unless_unittest("tearDown")

    def _call_unless_unittest(self, name: str) -> None:
        if not isinstance(self, unittest.TestCase):
            method: Any = getattr(self, name, None)
            if method is not None:
                method()


def _equal(what: str, found: object, expected: object) -> None:
    _true(found == expected, f"{what} is {found!r}: it must be {expected!r}")


def _true(holds: bool, message: str) -> None:
    # No assert statements: they vanish under `python -O`, and their reason is lost without pytest's rewriting.
    if not holds:
        raise AssertionError(message)

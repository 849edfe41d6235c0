"""The watchdog, and what an unexpected error of a backend becomes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, Untested
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.watchdog import Calls, run_guarded


def _register(backend: Any, patience: float = 5.0) -> tuple[Register, Calls]:
    calls = Calls()
    return Register(backend, calls, patience, lambda _: pytest.fail("no sibling was asked for")), calls


class Answers:
    """A backend that gives whatever it was made with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get_state(self) -> Any:
        return self.answer() if callable(self.answer) else self.answer


def test_a_call_that_hangs_is_named_and_holds_up_nobody() -> None:
    """After its limit the call fails the clause, though it never returns."""
    for_ever = threading.Event()
    register, calls = _register(Answers(for_ever.wait), patience=0.2)
    with pytest.raises(ClauseFailed, match=r"get_state\(\) has not returned after 0 s"):
        run_guarded(lambda: register.get_state() and None, calls, 30)
    for_ever.set()


def test_an_odd_error_of_a_backend_is_a_finding_that_names_the_call() -> None:
    """What the backend raised, and the test did not expect, fails the clause with the call's name."""

    def odd() -> None:
        raise LookupError("odd")

    register, calls = _register(Answers(odd))
    with pytest.raises(ClauseFailed, match=r"get_state\(\) raised LookupError: odd"):
        run_guarded(lambda: register.get_state() and None, calls, 30)


def test_an_error_of_the_suite_stays_one() -> None:
    """An error that no call of the backend raised is not blamed on the backend."""

    def broken() -> None:
        raise ZeroDivisionError("in the suite")

    with pytest.raises(ZeroDivisionError):
        run_guarded(broken, Calls(), 30)


def test_an_exit_of_the_backend_is_a_finding() -> None:
    """A backend that calls sys.exit does not end the suite."""

    def leave() -> None:
        raise SystemExit(3)

    register, calls = _register(Answers(leave))
    with pytest.raises(ClauseFailed, match="raised SystemExit"):
        run_guarded(lambda: register.get_state() and None, calls, 30)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (5, "gave 5: it must give"),
        ((b"x",), "it must give"),
        (("x", b"t"), "of type str"),
        ((bytearray(b"x"), b"t"), "of type bytearray"),
        ((b"x", None), "must not be None"),
    ],
)
def test_an_answer_of_the_wrong_shape_fails_the_clause(answer: Any, words: str) -> None:
    """What is neither None nor (bytes, token) is said as it is."""
    register, _ = _register(Answers(answer))
    with pytest.raises(ClauseFailed, match=words):
        register.get_state()


def test_a_plain_tuple_is_as_good_as_a_named_one() -> None:
    """A third party need not use our types."""
    register, _ = _register(Answers((b"x", 7)))
    found = register.get_state()
    assert found is not None
    assert (found.state, found.token) == (b"x", 7)


@pytest.mark.parametrize("kind", [Untested, Unsupported])
def test_a_clause_that_cannot_be_tested_is_no_finding(kind: type[Exception]) -> None:
    """Untested and unsupported come through as they are, with their reason."""

    def skip() -> None:
        raise kind("the reason")

    with pytest.raises(kind, match="the reason"):
        run_guarded(skip, Calls(), 30)

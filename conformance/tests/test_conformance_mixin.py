"""The mixin runs under unittest and pytest, on either side of TestCase, and finds a fault."""

from __future__ import annotations

import unittest
from typing import Any

import pytest
from rdzv_conformance import RendezvousBackendTestMixin

from rdzv_core import RendezvousBackend, RendezvousStateError, SetStateResult, StateSnapshot


class Register(RendezvousBackend):
    """A register in a field."""

    name = "register"

    def __init__(self) -> None:
        self.held: StateSnapshot | None = None
        self.corrupt = False
        self.writes = 0

    def get_state(self) -> StateSnapshot | None:
        if self.corrupt:
            raise RendezvousStateError("corrupt")
        return self.held

    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        held = self.get_state()
        if held is None and token is not None:
            return None
        if held is not None and token != held.token:
            return SetStateResult(*held, has_set=False)
        self.writes += 1
        self.held = StateSnapshot(state, self.writes)
        return SetStateResult(*self.held, has_set=True)


class OnARegister:
    _backend: RendezvousBackend

    def setUp(self) -> None:
        self._register = self._backend = Register()

    def _corrupt_state(self) -> None:
        self._register.corrupt = True


class MixinLastTest(OnARegister, unittest.TestCase, RendezvousBackendTestMixin):
    """`unittest.TestCase` before the mixin."""


class MixinFirstTest(OnARegister, RendezvousBackendTestMixin, unittest.TestCase):
    """`unittest.TestCase` after the mixin."""


class TestWithoutUnittest(OnARegister, RendezvousBackendTestMixin):
    """No `unittest.TestCase` at all."""


def _run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.mark.parametrize("case", [MixinFirstTest, MixinLastTest])
def test_unittest_itself_runs_the_eight_tests(case: type[unittest.TestCase]) -> None:
    """The plain unittest runner finds and passes all eight, whichever base comes first."""
    result = _run(case)
    assert (result.testsRun, result.failures, result.errors) == (8, [], [])


def test_a_backend_whose_token_is_its_value_fails_A5_and_no_other() -> None:
    """A write that does not change the token is found by the test of that number, with the reason."""

    class OneToken(Register):
        def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
            self.writes = 0
            return super().set_state(state, token)

    class Broken(MixinLastTest):
        def setUp(self) -> None:
            self._backend = OneToken()

    result = _run(Broken)
    failed = {test.id().rpartition(".")[2][:7]: text for test, text in result.failures}
    assert set(failed) == {"test_A5", "test_A6"}
    assert "it must have its own" in failed["test_A5"]

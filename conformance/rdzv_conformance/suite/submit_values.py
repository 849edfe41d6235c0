"""RDZV-SUBMIT-1 and 4: states, tokens and arguments of submitted calls that are not the usual ones."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, equal, raises, shown, that
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.suite.malformed import MALFORMED
from rdzv_core import StateSnapshot, SupportsStore, SupportsSubmit

LONG = 30.0
SOON = 5.0
STATES = {"an empty state": b"", "a state of 256 KiB": b"0123456789abcdef" * 16384}
NO_ARGUMENTS = frozenset({"get_state", "members", "count", "num_keys"})
BAD: dict[str, tuple[Any, ...]] = {
    "set_state": (object(),),
    "wait_state": (b"invalid", "soon"),
    "wait_members": (b"invalid", "soon"),
    "first": ("one",),
    "enter": (b"", "long"),
    "update": (object(), b""),
    "refresh": (object(),),
    "leave": (object(),),
    "get": (object(), 0.1),
    "multi_get": (object(), 0.1),
    "wait": (object(), 0.1),
    "set": (object(), object()),
    "multi_set": (object(),),
    "compare_set": (object(), object(), object()),
    "add": (object(), "one"),
}
"""Arguments of the wrong type."""


class SubmittedValues:
    """Whatever a submitted call is given, it has the result, or the error, that the called one has."""

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_empty_and_large_states_come_whole(self, under_test: BackendUnderTest) -> None:
        """By submitted reads, waits and writes; one that is too large is a ValueError, and writes nothing."""
        register, other = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "get_state", "wait_state", "set_state")
        stale: Any = b"stale"
        token: Any = None
        for what, state in STATES.items():
            if "set_state" in at.submittable:
                written = at("set_state", state, token)
                that(written and written[2], f"the submitted set_state() of {what} was refused with {shown(written)}")
                token = written[1]
                other.holds(state, token, f"after a submitted set_state() of {what}")
            else:
                token = other.write(state, token)
            there = StateSnapshot(state, token)
            equal(f"the submitted get_state() of {what}", at("get_state"), there)
            if "wait_state" in at.submittable:
                equal(f"the submitted wait_state() of {what}", at("wait_state", stale, LONG), (True, there))
            stale = token
        if "set_state" in at.submittable:
            too_large = bytes(register.backend.max_state_bytes + 1)
            raises(
                ValueError, "the submitted set_state() of a state that is too large", at, "set_state", too_large, token
            )
            other.holds(state, token, "after a submitted set_state() of a state that is too large")

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_malformed_token_is_not_the_current_one(self, under_test: BackendUnderTest) -> None:
        """A submitted wait with it ends at once, with what is there; a submitted write is refused."""
        register, other = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state", "set_state")
        waits = "wait_state" in at.submittable
        limit = under_test.paced(SOON)
        absent = [at.begin("wait_state", each, under_test.paced(LONG)) for each in MALFORMED] if waits else []
        for each in absent:
            equal(f"{each.what} where there is no state", each.result(limit), (True, None))
        there = StateSnapshot(b"there", other.write(b"there"))
        begun = [at.begin("wait_state", each, under_test.paced(LONG)) for each in MALFORMED] if waits else []
        for each in begun:
            equal(each.what, each.result(limit), (True, there))
        refused = MALFORMED if "set_state" in at.submittable else ()
        for token in refused:
            equal(f"the submitted set_state(…, {shown(token, 40)})", at("set_state", b"new", token), (*there, False))
        other.holds(*there, "after submitted calls with malformed tokens")

    @clause("RDZV-SUBMIT-4")
    def test_RDZV_SUBMIT_4_wrong_arguments_are_an_error_for_done(self, under_test: BackendUnderTest) -> None:
        """Too many, too few, of the wrong type: submit raises nothing, and later calls end as ever."""
        register = under_test.open()
        _check_arguments(under_test, Submitter(under_test, register.backend))
        if isinstance(register.backend, SupportsStore):
            store = register.call("store('submitted')", register.backend.store, "submitted")
            if isinstance(store, SupportsSubmit):
                _check_arguments(under_test, Submitter(under_test, store))
        token = register.write(b"there")
        equal("get_state() after wrong arguments", register.get_state(), (b"there", token))


def _check_arguments(under_test: BackendUnderTest, at: Submitter) -> None:
    if not at.submittable & (NO_ARGUMENTS | {*BAD}):
        raise Unsupported("the suite does not know how to submit what is submittable there")
    for method in sorted(at.submittable & (NO_ARGUMENTS | {*BAD})):
        wrong: list[tuple[Any, ...]] = [(None,) * 9]
        if method not in NO_ARGUMENTS:
            wrong += [(), BAD[method]]
        for arguments in wrong:
            each = at.begin(method, *arguments)
            try:
                gave = each.result(under_test.paced(SOON))
            except ClauseFailed:
                raise
            except Exception:  # noqa: BLE001, S112 - whatever the method raises
                continue
            raise ClauseFailed(f"{each.what}, whose arguments are wrong, gave {shown(gave)}: it must end with an error")

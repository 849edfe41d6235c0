"""The checker of histories agrees with trying every order, and names what is wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdzv_conformance.checks.linearizability import Fault, Found, Operation, check, draw, from_json, to_json
from rdzv_conformance.checks.linearizability._random import sound_history
from rdzv_conformance.checks.linearizability._telling import fault_of
from rdzv_conformance.contract.clauses import catalogue

UNTOLD = "a token that nobody was told"


def explainable(history: Sequence[Operation]) -> bool:
    """Try every order: exponential, and as close to the contract's words as can be."""
    told = {each.found.token for each in history if each.found}
    told |= {each.token for each in history if each.has_won or each.is_indeterminate}
    seen: set[object] = set()

    def go_on(left: frozenset[int], there: Found | None, had: frozenset[object]) -> bool:
        if all(history[index].answer is None for index in left):
            return True
        if (left, there, had) in seen:
            return False
        seen.add((left, there, had))
        for index in left:
            each = history[index]
            if any(history[other].precedes(each) for other in left):
                continue
            for after in _after(each, there, had, told):
                token = after.token if after and after is not there else None
                if go_on(left - {index}, after, had | ({token} - {None, UNTOLD})):
                    return True
        return False

    return go_on(frozenset(range(len(history))), None, frozenset())


def _after(each: Operation, there: Found | None, had: frozenset[object], told: set[object]) -> Sequence[Found | None]:
    """Return what the register may hold after an operation at a moment when it holds `there`."""
    current = None if there is None else there.token
    fits = each.token == current if each.kind == "set" else there is not None and each.token in (None, current)
    if each.kind == "get":
        return [there] if each.answer is None or each.found == there else []
    if each.kind == "wait":
        same = each.done and each.token is not None and each.token == current
        return [there] if each.answer is None or (each.found == there and not same) else []
    if each.kind == "delete":
        if each.answer is None:
            return [None] if fits else []
        return [None] if fits and each.done else [there] if not fits and not each.done else []
    assert each.state is not None
    if each.answer is None:
        return [Found(each.state, token) for token in [UNTOLD, *(told - had - {None})]] if fits else []
    if each.done:
        assert each.found is not None
        return [each.found] if fits and each.found.state == each.state and each.found.token not in had else []
    return [there] if not fits and each.found == there else []


def _spoil(each: Operation, other: Operation, how: int) -> Operation:
    if each.answer is None:
        return each
    if how == 0 and each.kind != "delete" and not (each.has_won and not other.found):
        return replace(each, found=other.found)
    if how == 1 and (each.found or each.kind == "delete"):
        return replace(each, done=not each.done)
    if how == 2:
        return replace(each, answer=None, found=None, done=False)
    return replace(each, token=other.token)


@st.composite
def histories(draw_: st.DrawFn) -> list[Operation]:
    """A history of a real register whose answers, now and then, are replaced by others."""
    size = draw_(st.integers(1, 7))
    rng = random.Random(draw_(st.integers(0, 2**32)))
    there: Found | None = None
    tokens: list[str] = []
    history: list[Operation] = []
    for number in range(size):
        kind = rng.choice(["get", "set", "set", "set", "set", "delete", "wait"])
        now = number * 10
        call, answer = now - rng.randrange(25), now + rng.randrange(25)
        token = rng.choice([None, there.token if there else None, *tokens[-2:]])
        current = there.token if there else None
        state = rng.choice([b"x", b"y"]) if kind == "set" else None
        done, before = False, there
        if kind == "set" and token == current:
            assert state is not None
            tokens.append(f"t{len(tokens)}")
            there, done = Found(state, tokens[-1]), True
        elif kind == "delete" and there and token in (None, current):
            there, done = None, True
        elif kind == "wait":
            done = token != current
        lost = rng.random() < 0.15
        if lost and rng.random() < 0.5:
            there = before  # it did not even arrive
        found = None if kind == "delete" or lost else there
        history.append(
            Operation(f"c{number % 3}", kind, call, None if lost else answer, state, token, found, done and not lost)  # type: ignore[arg-type]
        )
    if draw_(st.booleans()):
        spoiled = rng.randrange(size)
        history[spoiled] = _spoil(history[spoiled], rng.choice(history), rng.randrange(4))
    rng.shuffle(history)
    return history


@st.composite
def wild_histories(draw_: st.DrawFn) -> list[Operation]:
    """Any answers at all."""
    tokens = st.sampled_from([None, "t0", "t1", "t2"])
    found = st.none() | st.builds(Found, st.sampled_from([b"x", b"y"]), st.sampled_from(["t0", "t1", "t2"]))
    history = []
    for number in range(draw_(st.integers(1, 6))):
        kind = draw_(st.sampled_from(["get", "set", "set", "set", "delete", "wait"]))
        call = draw_(st.integers(0, 30))
        answer = draw_(st.none() | st.integers(0, 12).map(lambda took, call=call: call + took))  # type: ignore[misc]
        state = draw_(st.sampled_from([b"x", b"y"])) if kind == "set" else None
        token = draw_(tokens) if kind != "get" else None
        given_ = draw_(found) if answer is not None and kind != "delete" else None
        done = answer is not None and kind != "get" and draw_(st.booleans())
        if kind == "set":
            done = done and given_ is not None
            if done and draw_(st.integers(0, 5)) and given_ is not None and state is not None:
                given_ = Found(state, given_.token)
        history.append(Operation(f"c{number}", kind, call, answer, state, token, given_, done))  # type: ignore[arg-type]
    return history


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(histories() | wild_histories())
def test_it_agrees_with_trying_every_order(history: list[Operation]) -> None:
    """It accuses no history that can be explained, and misses none that cannot."""
    assert check(history).linearizable == explainable(history), draw(history)


def test_a_sound_history_of_many_calls_is_explained() -> None:
    """Ten thousand calls of eight clients, some of them unanswered, are no match for it."""
    assert check(sound_history(10_000, 8, seed=3, lost=0.01)).linearizable


def test_a_fault_deep_in_a_long_history_is_shown_with_few_calls() -> None:
    """One stale read among three thousand calls: what is shown is the read, and what was there before it."""
    history = sound_history(3_000, 4, seed=5)
    writes = [each for each in history if each.kind == "set" and each.has_won and each.token is not None]
    used, late = writes[100], history[2_000]
    assert used.answer is not None
    read = Operation("reader", "get", late.call, late.call + 10, found=Found(b"0", "none"))
    before = next(each for each in history if each.wrote == used.token)
    history.append(replace(read, found=before.found))
    verdict = check(history)
    assert verdict.fault in (Fault.STALE_READ, Fault.LOST_UPDATE)
    assert len(verdict.shown_by) == 2
    assert not explainable_whatever_was_before(verdict.shown_by)


def test_a_fault_among_very_many_calls_is_named_soon() -> None:
    """Where there was no time to leave calls out: so many in the square, or the cube, take a day."""
    history = sound_history(20_000, 4, seed=6)
    assert fault_of(history, range(len(history))) is Fault.NO_ORDER
    first = next(each for each in history if each.has_won)
    found = Found(b"0", first.wrote)
    last = max(each.answer for each in history if each.answer is not None)
    history.append(Operation("reader", "get", last + 1, last + 2, found=found))
    assert fault_of(history, range(len(history))) in (Fault.STALE_READ, Fault.LOST_UPDATE)


def explainable_whatever_was_before(operations: Sequence[Operation]) -> bool:
    """Return whether a fragment can be explained if what it presumes had been written just before."""
    written = {each.wrote for each in operations}
    presumed = [each.token for each in operations if each.has_won and each.token not in written | {None}]
    if len(presumed) != 1:
        return False
    state = next((each.found.state for each in operations if each.found and each.found.token == presumed[0]), b"")
    made = Operation("before", "set", -2, -1, state, None, Found(state, presumed[0]), done=True)
    return explainable([made, *operations])


def call(
    times: str,
    kind: str,
    token: str | None = None,
    gave: str | None = None,
    *,
    state: str = "",
    done: bool = False,
) -> Operation:
    """Make an operation: `times` is `call-answer` or `call-`; a state is what it was written as, else its token's."""
    began, _, ended = times.partition("-")
    found = Found((state or f"of {gave}").encode(), gave) if gave else None
    wanted = found.state if found and done else b"wanted"
    return Operation(
        f"client {began}",
        kind,  # type: ignore[arg-type]
        int(began),
        int(ended) if ended else None,
        wanted if kind == "set" else None,
        token,
        found,
        done,
    )


def wrote(times: str, token: str | None, new: str, state: str = "") -> Operation:
    """Make a write that succeeded."""
    return call(times, "set", token, new, state=state, done=True)


FAULTY = {
    Fault.TWO_WINNERS: [wrote("1-2", None, "a"), wrote("3-6", "a", "b"), wrote("4-7", "a", "c")],
    Fault.STALE_TOKEN_WON: [wrote("1-2", None, "a"), wrote("3-4", "a", "b"), wrote("5-6", "a", "c")],
    Fault.DEAD_TOKEN_WON: [wrote("1-2", None, "a"), call("3-4", "delete", "a", done=True), wrote("5-6", "a", "c")],
    Fault.CREATED_TWICE: [wrote("1-4", None, "a"), wrote("2-5", None, "b")],
    Fault.OVERWRITTEN_WITHOUT_TOKEN: [wrote("1-2", None, "a"), wrote("3-4", None, "b")],
    Fault.LOST_UPDATE: [wrote("1-2", None, "a"), wrote("3-4", "a", "b"), call("5-6", "get", None, "a")],
    Fault.STALE_READ: [
        wrote("1-2", None, "a"),
        wrote("3-4", "a", "b"),
        call("5-6", "set", "x", "b"),
        call("7-8", "get", None, "a"),
    ],
    Fault.FROM_THE_FUTURE: [wrote("1-2", None, "a"), call("3-4", "get", None, "b"), wrote("5-6", "a", "b")],
    Fault.VANISHED: [wrote("1-2", None, "a"), call("3-4", "get")],
    Fault.EQUAL_BYTES_WON: [wrote("1-4", None, "a"), wrote("2-5", None, "a")],
    Fault.TOKEN_REUSED: [wrote("1-2", None, "a"), wrote("3-4", "a", "b"), wrote("5-6", "b", "a")],
    Fault.TOKEN_REUSED_AFTER_DELETION: [
        wrote("1-2", None, "a"),
        call("3-4", "delete", "a", done=True),
        wrote("5-6", None, "a", "other"),
    ],
    Fault.TOKEN_KEPT: [wrote("1-2", None, "a"), wrote("3-4", "a", "a")],
    Fault.REFUSED_THOUGH_CURRENT: [wrote("1-2", None, "a"), call("3-4", "set", "a", "a")],
    Fault.WOKE_FOR_NOTHING: [wrote("1-2", None, "a"), call("3-4", "wait", "a", "a", done=True)],
    Fault.NOT_CREATED: [call("3-4", "set")],
    Fault.STATE_NOT_GIVEN: [wrote("1-2", None, "a"), call("3-4", "set")],
    Fault.STATE_NOT_GIVEN_TO_TOKEN: [wrote("1-2", None, "a"), call("3-4", "set", "x")],
    Fault.OTHER_STATE_READ: [wrote("1-2", None, "a"), call("3-4", "get", None, "a", state="other")],
    Fault.OTHER_STATE_IN_REFUSAL: [wrote("1-2", None, "a"), call("3-4", "set", "x", "a", state="other")],
    Fault.OTHER_STATE_WRITTEN: [replace(wrote("1-2", None, "a"), state=b"other")],
    Fault.TWO_VALUES: [
        Operation("a", "set", 1, None, b"one"),
        call("2-3", "get", None, "t", state="one"),
        call("4-5", "get", None, "t", state="two"),
    ],
    Fault.UNKNOWN_TOKEN: [wrote("1-2", None, "a"), call("3-4", "get", None, "b")],
    Fault.FOREIGN_TOKEN_WON: [wrote("1-2", None, "a"), wrote("3-4", "x", "b")],
    Fault.FOREIGN_TOKEN_CREATED: [wrote("3-4", "x", "b")],
    Fault.NO_ORDER: [wrote("1-2", None, "a"), call("3-4", "delete", "a")],
}


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
def test_a_fault_is_named(fault: Fault) -> None:
    """A history with one fault, and nothing else wrong, is said to have that fault, with clauses that there are."""
    assert not explainable(FAULTY[fault])
    assert check(FAULTY[fault]).fault is fault
    assert set(fault.clauses) <= set(catalogue())
    assert not fault.says.endswith(".")


UNANSWERED = Operation("lost", "set", 3, None, b"lost", "a")


@pytest.mark.parametrize(
    ("later", "possible"),
    [
        ([call("8-9", "get", None, "a")], True),
        ([call("8-9", "get", None, "z", state="lost")], True),
        ([call("8-9", "get", None, "z", state="found")], False),
        ([call("8-9", "get", None, "z", state="lost"), call("10-11", "get", None, "a")], False),
        ([call("8-9", "get", None, "a"), call("10-11", "get", None, "z", state="lost")], True),
        ([wrote("4-5", "a", "b"), call("8-9", "get", None, "z", state="lost")], False),
        ([call("1-2", "get", None, "z", state="lost")], False),
    ],
)
def test_a_write_without_an_answer_happened_or_not_but_once(later: list[Operation], possible: bool) -> None:
    """It may take effect at any time after its call, with a token that nobody was told, or never."""
    history = [wrote("0-1", None, "a"), UNANSWERED, *later]
    assert explainable(history) is possible
    assert check(history).linearizable is possible


def test_a_history_passes_through_json() -> None:
    """What another process recorded is what is checked."""
    history = [*FAULTY[Fault.DEAD_TOKEN_WON], UNANSWERED, call("8-9", "wait", "a", None, done=True)]
    assert [from_json(json.loads(json.dumps(to_json(each)))) for each in history] == history


def test_a_violation_is_drawn_as_lanes_of_time() -> None:
    """Overlapping calls overlap in the picture; a call without an answer stays open; no line is too long."""
    drawn = draw([*FAULTY[Fault.TWO_WINNERS], replace(UNANSWERED, call=5)], width=60)
    lanes = [line for line in drawn.splitlines() if line.startswith(("client", "lost"))]
    assert lanes == [
        "client 1  ├─1────┤",
        "client 3                ├─2──────────────────┤",
        "client 4                       ├─3──────────────────┤",
        "lost                                  ├─4──────────────────┄",
    ]
    assert " 2  client 3: set_state(b'of b', T1) wrote b'of b', T2  " in drawn
    assert "lost: set_state(b'lost', T1) was not answered" in drawn
    assert "T1 is the token 'a'" in drawn
    assert max(map(len, drawn.splitlines())) <= 60

"""Counting in a register: what a lost update, or a token won twice, can not hide from."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from rdzv_conformance.expect import fail, that
from rdzv_conformance.register import Register

OVERLAP = 0.3
MANY = 500


class Increment(NamedTuple):
    """One successful increment: the number it wrote, the token it used up, the token it got (both as text)."""

    number: int
    used: str
    got: str


def count_up(register: Register, steps: int) -> list[Increment]:
    """Add one at least `steps` times, and on for a while; read again after every refusal.

    On a store that is faster than the start of a thread everybody would else be done before the next begins.
    """
    done: list[Increment] = []
    ends = time.monotonic() + OVERLAP
    while len(done) < steps or (time.monotonic() < ends and len(done) < MANY):
        found = register.get_state()
        number = int(found.state) + 1 if found else 1
        used = found.token if found else None
        answer = register.set_state(b"%d" % number, used)
        if answer is not None and answer.has_set:
            done.append(Increment(number, repr(used), repr(answer.token)))
    return done


def check_counted(register: Register, done: list[list[Increment]], who: str) -> None:
    """Fail the clause unless every token was won once and the register counts every increment."""
    steps = [step for each in done for step in each]
    total = len(steps)
    _once("used up", [step.used for step in steps], who)
    _once("given to a write", [step.got for step in steps], who)
    found = register.get_state()
    if found is None:
        fail(f"the register is empty after {total} increments")
    that(
        int(found.state) == total,
        f"{total} increments by {len(done)} {who} made {found.state.decode()}: {total - int(found.state)} were lost",
    )


def _once(what: str, tokens: list[str], who: str) -> None:
    token, times = Counter(tokens).most_common(1)[0]
    that(times == 1, f"the token {token} was {what} {times} times by {who}: each token has one winner")

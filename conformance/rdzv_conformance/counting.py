"""Counting in a register: what a lost update, or a token won twice, can not hide from."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from rdzv_conformance.expect import equal, fail, that
from rdzv_conformance.register import Register


class Increment(NamedTuple):
    """One successful increment: the number it wrote, the token it used up, the token it got (both as text)."""

    number: int
    used: str
    got: str


def count_up(register: Register, steps: int) -> list[Increment]:
    """Add one, `steps` times, reading again after every refusal."""
    done: list[Increment] = []
    while len(done) < steps:
        found = register.get_state()
        number = int(found.state) + 1 if found else 1
        used = found.token if found else None
        answer = register.set_state(b"%d" % number, used)
        if answer is not None and answer.has_set:
            done.append(Increment(number, repr(used), repr(answer.token)))
    return done


def check_counted(register: Register, done: list[list[Increment]], total: int, who: str) -> None:
    """Fail the clause unless every token was won once and the register counts every increment."""
    steps = [step for each in done for step in each]
    equal(f"the number of increments that {len(done)} {who} were told they made", len(steps), total)
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

"""The kill matrix: which clauses caught which mutant, and whether those were the right ones."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.mutants._catalogue import install, mutants
from rdzv_conformance.mutants._hunt import caught_by, failing_clauses
from rdzv_conformance.mutants._mutant import Mutant

EXCUSED = {
    "RDZV-PARAM-1": "options are checked by core's create_backend against the table, before a backend is asked",
    "RDZV-PKG-1": "fails for every mutant and every sound backend here: they are registered in code",
}
"""Clauses that no mutant has to break, each with its reason."""

RECORDED = ("these calls show it", "This program shows it")


@dataclass(frozen=True)
class MutantVerdict:
    """What the suite made of one mutant: the findings by clause, what is wrong with that, and in how many seconds."""

    name: str
    found: dict[str, list[str]]
    wrong: tuple[str, ...]
    seconds: float


def judge(mutant: Mutant, found: dict[str, list[str]]) -> tuple[str, ...]:
    """Return what is wrong with how a mutant was caught: it survived, other clauses did, or the words are missing."""
    survived = [number for number in mutant.breaks if number not in found]
    # A recorded history, or a model, shows whatever is broken and names the clause itself: it never blames a wrong one.
    told = {
        number for number, texts in found.items() if all(any(words in text for words in RECORDED) for text in texts)
    }
    surplus = sorted(set(found) - {*mutant.breaks, *mutant.may_break} - told)
    first = found.get(mutant.breaks[0], [])
    words = (mutant.message,) if isinstance(mutant.message, str) else mutant.message
    silent = first and not any(each in text for each in words for text in first)
    return (
        *(f"NOT caught by {number}" for number in survived),
        *(f"ALSO caught by {number}: {found[number][0]}" for number in surplus),
        *([f"WITHOUT {mutant.message!r}: {first}"] if silent else []),
    )


def hunt(name: str) -> MutantVerdict:
    """Run the suite on one mutant."""
    began = time.monotonic()
    mutant = mutants()[name]
    found = failing_clauses(caught_by(mutant))
    return MutantVerdict(name, found, judge(mutant, found), time.monotonic() - began)


def hunt_all(names: Iterable[str], jobs: int, seen: Callable[[MutantVerdict], None]) -> list[MutantVerdict]:
    """Run the suite on mutants, in `jobs` processes; call `seen` with each verdict as it comes."""
    verdicts: list[MutantVerdict] = []
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), install) as pool:
        # The slowest first, as far as that can be told: then no process is left alone with one at the end.
        order = sorted(names, key=lambda name: (not mutants()[name].in_a_child, mutants()[name].setting.__name__))
        for done in as_completed([pool.submit(hunt, name) for name in order]):
            verdicts.append(done.result())
            seen(verdicts[-1])
    return verdicts


def idle_clauses(verdicts: Collection[MutantVerdict]) -> list[str]:
    """Return the clauses that caught no mutant, without those that are excused."""
    busy = {number for verdict in verdicts for number in mutants()[verdict.name].breaks if number in verdict.found}
    return [number for number in catalogue() if number not in busy and number not in EXCUSED]


def draw(verdicts: Iterable[MutantVerdict]) -> str:
    """Draw the matrix: a row for each mutant with the clauses that caught it, in brackets those that need not."""
    by_name = {verdict.name: verdict for verdict in verdicts}
    lines = []
    for name, mutant in mutants().items():
        if name in by_name:
            found = by_name[name].found
            must = [f"{_short(number)}{'' if number in found else '(missed)'}" for number in mutant.breaks]
            also = [f"({_short(number)})" for number in sorted(found) if number not in mutant.breaks]
            lines.append(f"{name:<30} {' '.join([*must, *also])}")
    return "\n".join(lines)


def _short(number: str) -> str:
    return number.removeprefix("RDZV-")

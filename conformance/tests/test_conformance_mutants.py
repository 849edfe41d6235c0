"""The suite's own test: the sound backends pass, and broken ones fail by the clauses that they break.

Some of the mutants, of every section; `python -m rdzv_conformance.mutants` sets the suite on all of them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from rdzv_conformance.contract.clauses import PROFILES, catalogue
from rdzv_conformance.mutants import failing_clauses, install, mutants, references, run_all
from rdzv_conformance.mutants._generated import explained, generated
from rdzv_conformance.mutants._matrix import EXCUSED, MutantVerdict, hunt, idle_clauses, judge
from rdzv_conformance.run.results import Report, Subject, by_clause
from rdzv_conformance.run.runner import select_tests
from rdzv_conformance.suite.models import Models

SOME = (
    *(
        "empty-is-absent",
        "token-is-the-value",
        "one-run-only",
        "close-forgets-the-submitted",
        "a-thread-for-each",
        "names-no-endpoint",
        "in-two-writes",
        "lists-its-own-run",
    ),
    *("unread-timeout", "leaves-a-thread", "claims-a-store", "untyped", "raises-from-the-root", "skips-itself"),
    *("none-is-a-token", "waits-over-corruption", "the-last-to-arrive-wins", "any-ttl"),
    *("adds-in-two-steps", "anybody-may", "trusts-anybody"),
)


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()


LONG = {
    *("sound-submit", "sound-submit-remote", "sound-kept", "sound-kept-members", "sound-kept-stores", "sound-stalling"),
    *(
        "in-two-writes",
        "leaves-a-thread",
        "names-no-endpoint",
        "close-forgets-the-submitted",
        "the-last-to-arrive-wins",
    ),
    *("empty-is-absent", "token-is-the-value", "claims-a-store", "raises-from-the-root", "one-run-only"),
    *("any-ttl", "a-thread-for-each", "adds-in-two-steps", "anybody-may", "trusts-anybody", "waits-over-corruption"),
}
"""These take many seconds each: `make cases` tries them."""


def _name(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.cases) if name in LONG else name


TRIED_OTHERWISE = {"sound-and-slow", "sound-memory", "sound-remote"}
"""Tried below, by the tests of the reference backend, and as a part of `sound-submit-remote`."""


@pytest.mark.parametrize("name", [_name(each) for each in sorted({*references()} - TRIED_OTHERWISE)])
def test_the_sound_backends_pass(name: str) -> None:
    """What the mutants are made of fails no clause that it claims, but for having no entry point."""
    sound = references()[name]
    profiles = {catalogue()[number].profile for number in sound.breaks}
    results = run_all(sound, select_tests(profiles), patience=20.0)
    assert failing_clauses(results) == {}
    assert {number for each in results if each.status == "pass" for number in each.clauses} >= set(sound.breaks)


@pytest.mark.cases
def test_a_slow_backend_is_certified() -> None:
    """A store that takes 150 ms for every call passes everything that it claims: slow is not broken."""
    profiles = ("core", "watch", "membership", "store")
    tests = select_tests(profiles)
    # Side by side, because nearly all of it is waiting; one thread for all models, as hypothesis wants it.
    models = [name for name in tests if name in vars(Models)]
    # The longest first.
    others = sorted({*tests} - {*models}, key=lambda name: not name.startswith(("test_RDZV_RUN", "test_RDZV_STATE_3")))
    # What the store of this process loses or stalls, it does so for whoever uses it: that is not done beside others.
    alone = [name for name in others if name.startswith(("test_RDZV_MEMBER_9", "test_RDZV_MEMBER_10"))]
    beside = [[name] for name in others if name not in alone]
    slow = references()["sound-and-slow"]
    with ThreadPoolExecutor(12) as pool:
        results = list(chain(*pool.map(lambda part: run_all(slow, part, patience=20.0), [models, *beside])))
    results += run_all(slow, alone, patience=20.0)
    assert failing_clauses(results) == {}  # which leaves out that it is registered in code, in no distribution
    rest = [each for each in results if "RDZV-PKG-1" not in each.clauses]
    report = Report(Subject(slow.name, "mutants"), profiles, by_clause(rest, profiles))
    assert report.certified
    assert sorted(each.test for each in results) == sorted(tests)


@pytest.mark.parametrize("name", [_name(each) for each in SOME])
def test_a_broken_backend_fails_the_clauses_that_it_breaks(name: str) -> None:
    """Every clause that the mutant breaks fails, with words that tell what is wrong, and no other."""
    verdict = hunt(name)
    assert verdict.found
    assert verdict.wrong == ()


def test_what_takes_long_is_there() -> None:
    """A name that is none would be left out of all runs."""
    assert {*references(), *SOME} >= LONG


def test_every_mutant_says_what_it_stands_for() -> None:
    """A mutant names clauses of the contract, and a sentence that a person understands."""
    for mutant in mutants().values():
        assert mutant.sentence.endswith((".", ")"))
        assert set(mutant.breaks + mutant.may_break) <= set(catalogue())


def test_every_clause_has_a_mutant_that_it_must_catch() -> None:
    """In every profile, each clause is broken by a mutant, or excused with a reason."""
    broken = {number for mutant in mutants().values() for number in mutant.breaks}
    assert set(catalogue()) - broken == set(EXCUSED)
    assert {catalogue()[number].profile for number in broken} == set(PROFILES)
    assert len(mutants()) >= 97


def test_a_survivor_and_a_mutant_that_others_caught_are_told() -> None:
    """The judge wants every clause that a mutant breaks, no other, and the words."""
    mutant = mutants()["falsy-is-none"]
    assert judge(mutant, {}) == ("NOT caught by RDZV-CAS-6",)
    others = judge(mutant, {"RDZV-CAS-6": ["other words"], "RDZV-RUN-1": ["no reason"]})
    assert others[0] == "ALSO caught by RDZV-RUN-1: no reason"
    assert others[1].startswith(f"WITHOUT {mutant.message!r}")


def test_a_clause_that_catches_nobody_is_told() -> None:
    """Where the mutants of a clause are taken away it is idle."""
    caught = {name: {number: ["x"] for number in each.breaks} for name, each in mutants().items()}
    found = [MutantVerdict(name, findings, (), 0.0) for name, findings in caught.items()]
    assert idle_clauses(found) == []
    assert idle_clauses([each for each in found if "RDZV-WATCH-7" not in each.found]) == ["RDZV-WATCH-7"]


def test_generated_mutants_change_one_thing_each() -> None:
    """Every generated mutant differs from its module and from the others; only these can be explained as equivalent."""
    everything = generated()
    texts = [f"{module} {ast.unparse(tree)}" for module, tree in everything.values()]
    assert len(everything) >= 100
    assert len(set(texts)) > 0.9 * len(texts)
    assert set(explained()) <= set(everything)
    assert all(explained().values())


def test_the_command_prints_the_matrix_and_refuses_unknown_names() -> None:
    """A row for each mutant, the count at the end; status 0 if all were caught, 2 for a name that there is not."""

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rdzv_conformance.mutants", *names]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    ran = run("any-ttl")
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.splitlines()[0].split()[:2] == ["any-ttl", "MEMBER-11"]
    assert ran.stdout.splitlines()[-1].startswith("1 mutants, 1 caught")
    assert run("no-such-mutant").returncode == 2

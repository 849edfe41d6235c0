"""`rdzv simulate`: what it prints, what it repeats, and its exit statuses."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from click.testing import CliRunner, Result
from rdzv_conformance.simulation import _command
from rdzv_conformance.simulation.mutants import MUTANTS, hunt

BROKEN = "ask-is-a-boolean"


def _simulate(*arguments: str) -> Result:
    return CliRunner().invoke(_command.simulate, list(arguments))


def test_what_was_simulated_is_counted() -> None:
    """Rounds, seeds, steps, faults by kind, the speed, and that nothing was violated; the exit status is 0."""
    result = _simulate("--rounds", "60", "--seeds", "3", "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert re.search(r"\d+ rounds over 3 seeds in \d+ storms, [\d,]+ steps, \d+ faults", result.output)
    assert re.search(r"\d+ rounds/s", result.output)
    assert re.search(r"^  crash +\d", result.output, re.MULTILINE)
    assert result.output.endswith("no violation: every invariant held\n")


def test_the_count_depends_on_the_seeds_and_on_nothing_else() -> None:
    """Two processes count what one counts, and each seed lives through its share of the rounds, at least."""
    counts = []
    for jobs in ("1", "2"):
        counted = json.loads(_simulate("--rounds", "90", "--seeds", "9", "--jobs", jobs, "--json").output)
        counts.append({name: counted[name] for name in ("seeds", "rounds", "storms", "steps", "faults", "violations")})
    assert counts[0] == counts[1]
    assert counts[0]["rounds"] >= 90
    assert counts[0]["seeds"] == 9


def test_a_failure_is_printed_small_with_the_command_that_repeats_it() -> None:
    """The seed, the invariant in words, the story, and a command that fails in the same way; the exit status is 1."""
    result = _simulate("--rounds", "20", "--seeds", "1", "--jobs", "1", "--mutant", BROKEN)
    assert result.exit_code == 1, result.output
    assert "I4: While a roster is written nobody is at work." in result.output
    assert "shrunk from" in result.output
    assert result.output.endswith("1 violations\n")
    said = re.search(r"repeat the small one:  rdzv simulate (.*)", result.output)
    assert said is not None
    again = _simulate(*shlex.split(said[1]))
    assert again.exit_code == 1
    assert "I4: round" in again.output
    assert " sends WriteHead" in again.output


def test_after_some_failures_no_further_seed_is_begun() -> None:
    """A protocol that breaks at once is not broken a hundred times."""
    counted = json.loads(
        _simulate("--rounds", "200", "--seeds", "100", "--jobs", "1", "--mutant", BROKEN, "--json").output
    )
    assert 5 <= len(counted["violations"]) < 20
    assert counted["seeds"] < 100
    assert counted["shrunk"][0]["trace"]


def test_a_trace_tells_every_message() -> None:
    """`--trace` prints the story of one seed, and that it held."""
    result = _simulate("--seed", "4", "--rounds", "3", "--seeds", "1", "--trace")
    assert result.exit_code == 0
    assert "sends Enter" in result.output
    assert result.output.endswith("every invariant held\n")


def test_only_the_named_faults_strike() -> None:
    """`--faults` switches all others off; `--strategy random` the adversary."""
    arguments = ("--rounds", "20", "--seeds", "1", "--jobs", "1", "--strategy", "random", "--json")
    counted = json.loads(_simulate(*arguments, "--faults", "crash, cut").output)
    assert {kind for kind, count in counted["faults"].items() if count} <= {"crash", "cut"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--faults", "crash,meteor"), "no fault 'meteor'; there are loss, late, fail"),
        (("--rounds", "0"), "0 is not in the range"),
        (("--strategy", "hope"), "'hope' is not one of"),
        (("--mutant", "nobody"), "'nobody' is not one of"),
        (("--messages", "--nodes", "ten"), "'ten' is no list of numbers above 1"),
    ],
)
def test_a_bad_option_is_named_and_nothing_runs(arguments: tuple[str, ...], said: str) -> None:
    """The exit status is 2, and the message has the value and what would be right."""
    result = _simulate(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_messages_are_counted_for_each_node() -> None:
    """A line for each size, and whether anything grows."""
    result = _simulate("--messages", "--nodes", "100,200")
    assert result.exit_code == 0, result.output
    assert re.search(r"^ +200 +[\d.]+ +[\d,]+ B +2x", result.output, re.MULTILINE)
    assert "messages are constant within 10 %" in result.output


def test_the_kill_matrix_names_each_broken_protocol_and_its_killer(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which invariant, with which seed, after how many; the exit status is 0 if all are caught."""
    monkeypatch.setattr(_command, "hunt_all", _hunt_some)
    result = _simulate("--mutants")
    assert result.exit_code == 0
    assert f"{BROKEN}: {MUTANTS[BROKEN].stands_for}\n    I4 (seed 0, 1 seeds, " in result.output
    assert result.output.endswith("2 of 2 broken protocols caught\n")
    described = json.loads(_simulate("--mutants", "--json").output)
    assert described[0]["mutant"] == BROKEN
    assert described[0]["invariant"] == "I4"


def test_a_broken_protocol_that_survives_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that notices nothing is told so: exit status 1."""
    monkeypatch.setattr(_command, "hunt_all", lambda *_: {BROKEN: None})
    result = _simulate("--mutants")
    assert result.exit_code == 1
    assert "SURVIVED" in result.output


def _hunt_some(seeds: int, first: int, jobs: int, shown: object) -> object:
    del jobs, shown
    return {name: hunt(MUTANTS[name], seeds, first) for name in (BROKEN, "no-last-call")}

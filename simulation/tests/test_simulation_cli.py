"""`rdzv simulate`: what it prints, what it repeats, and its exit statuses."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result
from rdzv_simulation import FAULTS, Life, Scenario
from rdzv_simulation._cli import command, modes
from rdzv_simulation._cli.repetition import check_keep
from rdzv_simulation.mutants import MUTANTS, HuntInterrupted, Kill, hunt, hunt_all

BROKEN = "ask-is-a-boolean"

SIGNALS_ITSELF = """
import os, signal, sys
from contextlib import contextmanager
from rdzv_simulation._cli import command, modes

@contextmanager
def progress(title, total):
    def shown(done):
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    yield shown

modes.progress = progress
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a script ignores it
command.simulate(sys.argv[2:])
"""
"""The command on two processes, which sends itself a signal as soon as there is something to count."""

MUCH = ("--rounds", "1000000", "--seeds", "10000")


def _simulate(*arguments: str) -> Result:
    return CliRunner().invoke(command.simulate, list(arguments))


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
    result = _simulate("--seed", "1", "--rounds", "20", "--seeds", "1", "--jobs", "1", "--mutant", BROKEN)
    assert result.exit_code == 1, result.output
    assert "I4: While a roster is written nobody is at work." in result.output
    assert "shrunk from" in result.output
    assert result.output.endswith("1 violation\n")
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
        (("--faults", "crash,meteor"), "'meteor' is not a fault; choose from loss, late, fail"),
        (("--faults", ""), "'' names no fault; choose from loss, late, fail"),
        (("--faults", ","), "',' names no fault; choose from loss, late, fail"),
        (("--keep", ""), "'' is empty; give the names that a failure prints, or 'nothing'"),
        (("--without", ","), "',' names no node; give one or more, such as host0,late1"),
        (("--rounds", "0"), "0 is not in the range"),
        (("--strategy", "hope"), "'hope' is not one of"),
        (("--mutant", "nobody"), "'nobody' is not one of"),
        (("--messages", "--nodes", "ten"), "'ten' is not a list of numbers above 1"),
    ],
)
def test_a_bad_option_is_named_and_nothing_runs(arguments: tuple[str, ...], said: str) -> None:
    """The exit status is 2, and the message has the value and what would be right."""
    assert said in _refusal(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--keep", "bogus"), "--keep: 'bogus' is not written as a failure names what goes wrong: PHASE.FAULT.NUMBER"),
        (("--keep", "nothing,0.fail.4"), "--keep: 'nothing' is not written as"),
        (
            ("--keep", "0.nosuch.1"),
            "is called '0.nosuch.1', as 'nosuch' is not a fault, and its nodes are host0, host1",
        ),
        (("--keep", "0.crash.99"), "--keep: nothing that could go wrong in seed 0 is called '0.crash.99'"),
        (("--keep", "0.host9.1"), "is called '0.host9.1', as 'host9' is not a fault, and its nodes are host0, host1"),
        (("--keep", "0.host0.0"), "--keep: nothing that could go wrong in seed 0 is called '0.host0.0'"),
        (("--keep", "0.pct.9999"), "--keep: nothing that could go wrong in seed 0 is called '0.pct.9999'"),
        (("--keep", "0.loss.1"), "is called '0.loss.1', as a disturbed message is called after its node"),
        (("--keep", "0.crash.1", "--faults", "cut"), "is called '0.crash.1', as 'crash' is not among its --faults"),
        (("--without", "host0,bogus"), "--without: seed 0 has no node 'bogus': it has host0, host1, host2"),
        (("--without", "host0,host1,host2,host3,host4,late0,late1"), "seed 0 needs 3 nodes for a round, and without"),
    ],
)
@pytest.mark.parametrize("trace", [(), ("--trace",)])
def test_a_repetition_that_names_what_a_life_does_not_have_is_refused(
    arguments: tuple[str, ...], said: str, trace: tuple[str, ...]
) -> None:
    """The exit status is 2 before anything runs, and the message has the name: no mistyped line looks like a fix."""
    assert said in _refusal("--rounds", "10", "--seeds", "1", "--jobs", "1", *arguments, *trace)


def test_what_goes_wrong_in_one_life_is_not_kept_in_several() -> None:
    """The exit status is 2; a trace is of one life, however many seeds there are."""
    refusal = _refusal("--rounds", "10", "--jobs", "1", "--keep", "0.fail.4", "--seeds", "3")
    assert "--keep names what goes wrong in one life: give --seeds 1, not 3" in refusal


@pytest.mark.parametrize("trace", [(), ("--trace",)])
def test_what_is_kept_and_never_comes_up_is_an_error_when_nothing_breaks(trace: tuple[str, ...]) -> None:
    """A life that ends before what it should repeat proves nothing: the exit status is 2, and it is named."""
    life = Life(Scenario(0, 20))
    life.live()
    first, last = life.decisions[0], life.planned_faults[-1]
    result = _simulate("--rounds", "1", "--seeds", "1", "--jobs", "1", "--keep", f"{first},{last}", *trace)
    assert result.exit_code == 2, result.output
    assert f"--keep: no invariant was broken, but this never came up: {last}. " in result.output
    assert "every invariant held" not in result.output


@pytest.mark.parametrize("seed", range(6))
def test_all_that_went_wrong_in_a_life_may_be_kept(seed: int) -> None:
    """Whatever a life may name in a repeat line is taken for what it is: planned faults, messages, and priorities."""
    for faults in (FAULTS, ("loss", "drift"), ("late", "wall_clock")):
        life = Life(Scenario(seed, 20, faults))
        life.live()
        assert any(".host" in name for name in life.decisions) or faults != FAULTS
        check_keep(Scenario(seed, 20, faults, keep=frozenset(life.decisions)))


@pytest.mark.parametrize(
    "broken",
    [
        ("ask-is-a-boolean",),
        ("believes-in-its-writes", "--seed", "4"),
        ("trusts-the-wall-clock", "--faults", "wall_clock"),
        ("no-fence-delay", "--faults", "freeze_leader"),
    ],
)
def test_every_printed_repetition_fails_again(broken: tuple[str, ...]) -> None:
    """The small and the whole one, with --keep, --without and --calm, exit with status 1."""
    told = _simulate("--rounds", "240", "--seeds", "8", "--jobs", "1", "--mutant", *broken).output
    printed = re.findall(r"repeat the \w+ one:  rdzv simulate (.*)", told)
    assert len(printed) >= 2
    assert any("--keep" in line and "--without" in line for line in printed)
    for line in printed:
        assert _simulate(*shlex.split(line)).exit_code == 1, line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", "10"), "--nodes has no meaning without --messages"),
        (("--nodes", "10", "--rounds", "10"), "--nodes has no meaning without --messages"),
        (("--mutants", "--messages"), "--mutants has no meaning beside --messages"),
        (("--mutants", "--rounds", "10"), "--rounds has no meaning beside --mutants"),
        (("--messages", "--faults", "crash"), "--faults has no meaning beside --messages"),
        (("--json", "--trace", "--rounds", "3"), "--json has no meaning beside --trace"),
    ],
)
def test_options_of_which_one_would_be_ignored_are_refused(arguments: tuple[str, ...], said: str) -> None:
    """The exit status is 2, and the message has both options."""
    assert said in _refusal(*arguments)


@pytest.mark.parametrize("fault", FAULTS)
def test_rounds_go_on_under_each_fault_alone(fault: str) -> None:
    """Also under one that ends no round a life ends, with as many rounds as were wanted, and with no other fault."""
    result = _simulate("--faults", fault, "--seeds", "1", "--rounds", "20", "--jobs", "1", "--json")
    assert result.exit_code == 0, result.output
    counted = json.loads(result.output)
    assert counted["rounds"] >= 20
    assert {kind for kind, count in counted["faults"].items() if count} <= {fault, "pct"}


def test_a_fault_that_did_not_strike_is_named() -> None:
    """A proof under a fault that no seed let strike is none: seed 0 may not end a lease early."""
    result = _simulate("--faults", "lease_early", "--seeds", "1", "--rounds", "5", "--jobs", "1")
    assert "faults that did not strike: lease_early\n" in result.output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("arguments", [MUCH, ("--mutants",)])
def test_a_signal_ends_it_at_once_with_what_was_counted(name: str, arguments: tuple[str, ...]) -> None:
    """Ctrl-C and SIGTERM: the count so far is printed and nothing else, and the exit status is 130."""
    code, out, err = _signalled(name, *arguments, "--jobs", "2")
    assert (code, err) == (130, ""), out
    assert "interrupted: " in out


def test_its_processes_end_with_it_even_if_it_is_killed() -> None:
    """After kill -9 nothing is left that holds its output open."""
    code, _, _ = _signalled("SIGKILL", *MUCH, "--jobs", "2")
    assert code == -signal.SIGKILL


@pytest.mark.parametrize("arguments", [("--trace", *MUCH), ("--messages", "--nodes", "10,11")])
def test_an_interrupt_is_no_violation(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no count to give, the exit status is 130 all the same, and not 1."""
    monkeypatch.setattr(modes.Life, "live", _interrupt)
    monkeypatch.setattr(modes, "measure", _interrupt)
    result = _simulate(*arguments)
    assert result.exit_code == 130
    assert result.output.endswith("interrupted\n")


def _refusal(*arguments: str) -> str:
    """Run the command, which must end with status 2 before any proof; give what it said, in one line."""
    result = _simulate(*arguments)
    assert result.exit_code == 2, result.output
    assert "every invariant held" not in result.output
    return " ".join(result.output.split())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _signalled(name: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command until it has sent itself the signal and all its processes are gone."""
    command = [sys.executable, "-c", SIGNALS_ITSELF, name, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out, err


def test_messages_are_counted_for_each_node() -> None:
    """A line for each size, and whether anything grows."""
    result = _simulate("--messages", "--nodes", "100,200")
    assert result.exit_code == 0, result.output
    assert re.search(r"^ +200 +[\d.]+ +[\d,]+ B +2x", result.output, re.MULTILINE)
    assert "messages are constant within 10 %" in result.output


def test_the_kill_matrix_names_each_broken_protocol_and_its_killer(monkeypatch: pytest.MonkeyPatch) -> None:
    """By which invariant, with which seed, after how many; the exit status is 0 if all are caught."""
    monkeypatch.setattr(modes, "hunt_all", _hunt_some)
    result = _simulate("--mutants")
    assert result.exit_code == 0
    assert f"{BROKEN}: {MUTANTS[BROKEN].stands_for}\n    I4 (seed 1, 2 seeds, " in result.output
    assert result.output.endswith("2 of 2 broken protocols caught\n")
    described = json.loads(_simulate("--mutants", "--json").output)
    assert described[0]["mutant"] == BROKEN
    assert described[0]["invariant"] == "I4"


def test_a_broken_protocol_that_survives_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator that notices nothing is told so: exit status 1."""
    monkeypatch.setattr(modes, "hunt_all", lambda *_: {BROKEN: None})
    result = _simulate("--mutants")
    assert result.exit_code == 1
    assert "SURVIVED" in result.output


def test_an_interrupted_hunt_prints_what_was_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kills so far, how many were not hunted to the end, and exit status 130; 1 if one survived."""
    kills = {BROKEN: hunt(MUTANTS[BROKEN], 5)}
    monkeypatch.setattr(modes, "hunt_all", lambda *_: _stop(kills))
    result = _simulate("--mutants")
    assert result.exit_code == 130
    left = len(MUTANTS) - 1
    assert f"interrupted: {left} were not hunted to the end, and are not counted\n1 of 1 broken" in result.output
    assert len(json.loads(_simulate("--mutants", "--json").output)) == 1
    kills["no-last-call"] = None
    assert _simulate("--mutants").exit_code == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_hunt_that_is_interrupted_gives_its_kills(jobs: int) -> None:
    """On one process or several."""

    def shown(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(HuntInterrupted) as stopped:
        hunt_all(50, 0, jobs, shown)
    assert len(stopped.value.kills) == 2


def _stop(kills: dict[str, Kill | None]) -> None:
    raise HuntInterrupted(kills)


def _hunt_some(seeds: int, first: int, jobs: int, shown: object) -> object:
    del jobs, shown
    return {name: hunt(MUTANTS[name], seeds, first) for name in (BROKEN, "no-last-call")}

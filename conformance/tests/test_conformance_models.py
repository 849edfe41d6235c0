"""The models: a sound backend passes with every seed, a broken one is told with a program that shows it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import textwrap

import pytest
from rdzv_conformance.checks.models import MembershipModel, RegisterModel, StoreModel, hold_against
from rdzv_conformance.checks.models.running import Model
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed
from rdzv_conformance.harness.target import Target
from rdzv_conformance.mutants import install

INSTALL = "rdzv_conformance.mutants:install"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()


def _finding(name: str, seed: int = 0, model: type[Model] = RegisterModel) -> Blamed:
    with pytest.raises(Blamed) as caught:
        _hold(name, seed, model)
    return caught.value


def _hold(name: str, seed: int, model: type[Model]) -> None:
    under_test = BackendUnderTest(Target(name, "models", preload=(INSTALL,) if name != "memory" else (), seed=seed))
    try:
        hold_against(model, under_test)
    finally:
        under_test.clean_up()


@pytest.mark.parametrize("model", [RegisterModel, MembershipModel, StoreModel])
@pytest.mark.parametrize("seed", range(3))
def test_the_reference_backend_is_as_its_models(model: type[Model], seed: int) -> None:
    """Whatever the seed, memory does what a dict would do."""
    _hold("memory", seed, model)


@pytest.mark.parametrize(
    ("mutant", "clauses"),
    [
        ("none-overwrites", {"RDZV-CAS-2"}),
        ("stale-tokens-win", {"RDZV-CAS-4"}),
        # A malformed token is CAS-5's where there is a state, and CAS-6's where there is none: either program shows it.
        ("decodes-tokens", {"RDZV-CAS-5", "RDZV-CAS-6"}),
        ("falsy-is-none", {"RDZV-CAS-6"}),
        ("keeps-the-token", {"RDZV-CAS-7"}),
    ],
)
def test_a_broken_backend_is_told_by_its_clause(mutant: str, clauses: set[str]) -> None:
    """The finding blames the one clause that the calls break."""
    (blamed,) = _finding(mutant).clauses
    assert blamed in clauses


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("mutant", ["none-overwrites", "keeps-the-token"])
def test_the_counter_example_is_a_program_that_shows_it(mutant: str) -> None:
    """It runs as it is printed, fails in its last line on the broken backend, and passes on a sound one."""
    text = str(_finding(mutant))
    program = textwrap.dedent(text.partition("\n")[2])
    ran = _run(program)
    assert ran.returncode == 1
    assert "AssertionError" in ran.stderr
    assert f"line {len(program.splitlines())}, in <module>" in ran.stderr
    assert _run(program.replace(f"'{mutant}'", "'sound-memory'")).returncode == 0


def test_the_same_seed_finds_the_same_program() -> None:
    """What is printed with its seed can be had again."""
    one, other = (str(_finding("keeps-the-token", seed=7)) for _ in range(2))
    assert one.splitlines()[1:] == other.splitlines()[1:]
    assert "(seed 7)" in one


def test_an_options_value_is_not_in_the_program() -> None:
    """It may be a secret."""
    from rdzv_conformance.checks.models.running import program_of

    secret = secrets.token_hex(4)
    assert secret not in program_of(Target("memory", "here", {"password": secret}), [])


def test_which_calls_may_be_drawn_does_not_depend_on_the_time_left() -> None:
    """hypothesis calls a model flaky whose rules come and go: a sound backend on a busy machine would be an error."""
    from rdzv_conformance.checks.models.running import Search

    under_test = BackendUnderTest(Target("memory", "here"))
    backend = under_test.open().backend
    try:
        may = []
        for ends in (0.0, float("inf")):
            machine = type("Timed", (RegisterModel,), {"search": Search(under_test, backend, ends)})()
            may.append([[holds(machine) for holds in rule.preconditions] for rule in machine.rules])
        assert may[0] == may[1]
        assert any(may[0])
    finally:
        under_test.clean_up()

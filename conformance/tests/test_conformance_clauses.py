"""The catalogue is the contract's page, and every clause has a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdzv_conformance import BackendConformance
from rdzv_conformance.contract.clauses import PROFILES, Clause, catalogue, contract_page, read_clauses
from rdzv_conformance.contract.labels import clause, clauses_of, map_clauses, names_of_tests
from rdzv_conformance.run.results import by_clause
from rdzv_conformance.suite import Suite

PAGE = Path(__file__).parents[2] / "spec" / "contract.md"


def test_the_shipped_contract_is_the_page() -> None:
    """What the catalogue is read from is spec/contract.md, byte for byte; of the wheel tests/packaging says so."""
    assert contract_page().read_bytes() == PAGE.read_bytes()


def test_the_catalogue_holds_every_row_of_the_page() -> None:
    """As many clauses as the page has rows, each with its profile and its text."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| RDZV-")]
    assert len(catalogue()) == len(rows) > 60
    for row, found in zip(rows, catalogue().values(), strict=True):
        assert row == f"| {found.id} | {found.text} |"
        assert found.profile in PROFILES


def test_every_clause_has_a_test() -> None:
    """No clause of any profile is without a test."""
    assert [number for number, tests in map_clauses(Suite).items() if not tests] == []


def test_a_clause_without_a_test_is_untested_in_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clause that is added to the page is listed as untested as long as nobody has written its test."""
    extended = {**catalogue(), "RDZV-WATCH-99": Clause("RDZV-WATCH-99", "watch", "Something new.")}
    monkeypatch.setattr("rdzv_conformance.run.results.catalogue", lambda: extended)
    found = {each.clause: each for each in by_clause([], ["watch"])}
    assert found["RDZV-WATCH-99"].status == "untested"
    assert "no test" in found["RDZV-WATCH-99"].message


@pytest.mark.parametrize("name", names_of_tests(Suite))
def test_a_tests_name_and_docstring_speak_of_its_clause(name: str) -> None:
    """The name of a test carries the clause that it is for, and its docstring is a sentence."""
    test = getattr(Suite, name)
    number = "-".join(name.removeprefix("test_").split("_")[:3])
    assert number in clauses_of(test)
    assert (test.__doc__ or "").strip().endswith(".")


def test_the_pytest_class_has_every_test_of_the_suite() -> None:
    """What the command runs is what the class runs."""
    assert names_of_tests(BackendConformance) == names_of_tests(Suite)


def test_a_test_for_a_clause_that_does_not_exist_is_refused() -> None:
    """A typo in a clause's number is found when the suite is imported."""
    with pytest.raises(ValueError, match="RDZV-CAS-99"):
        clause("RDZV-CAS-99")


def test_a_page_that_numbers_a_clause_twice_is_refused() -> None:
    """A clause's number means one thing."""
    with pytest.raises(ValueError, match="RDZV-CAS-1 twice"):
        read_clauses("| RDZV-CAS-1 | one |\n| RDZV-CAS-1 | another |\n")

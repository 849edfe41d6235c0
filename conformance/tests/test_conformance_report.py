"""Reports: what is written, for machines and for people, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.contract.labels import map_clauses, names_of_tests
from rdzv_conformance.reports import matrix_markdown, read_report, schema, write_matrix, write_report
from rdzv_conformance.reports._text import plain
from rdzv_conformance.run.assemble import assemble
from rdzv_conformance.run.capabilities import capabilities, claims_of
from rdzv_conformance.run.certify import certify
from rdzv_conformance.run.conditions import conditions, conditions_rest_on
from rdzv_conformance.run.findings import Findings, Secrets
from rdzv_conformance.run.latency import latency
from rdzv_conformance.run.results import Report, TestResult, by_clause
from rdzv_conformance.suite import Suite

from rdzv_core import RendezvousParameters
from rdzv_core.memory import MemoryBackend

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m \x00 \ud800 ]]> --> | `a` & \"q\" 'r'"
)


def _made(message: str = HOSTILE, endpoint: str = "here", **options: str) -> Report:
    """A report in which one clause failed, with `message`, and all others of core and store passed."""
    findings = Findings("memory", endpoint, options, seed=7, asked=("core",), profiles=("core", "store"))
    findings.claims = {"watch": {"claimed": False, "there": True}, "store": {"claimed": True, "there": True}}
    findings.module = "rdzv_core.memory"
    findings.latency = (latency("get_state", [0.001, 0.002, 0.02]), latency("set_state", [0.5, 1.5]))
    for number, clause in catalogue().items():
        if clause.profile in findings.profiles and number != "RDZV-CONN-6":
            failed = number == "RDZV-CAS-7"
            name = next(iter(map_clauses(Suite)[number]), f"test_{number}")
            findings.add(TestResult(name, (number,), "fail" if failed else "pass", message if failed else "", 0.25))
    return assemble(findings, 12.3)


@pytest.fixture(scope="module")
def ran() -> Report:
    """A real run, of one profile, on the reference backend."""
    return certify("memory", "here", {}, ("store",), seed=42)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The directory with the reports about a backend that says hostile things."""
    write_report(_made(), tmp_path)
    return tmp_path


class _Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "line", "path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_schema_that_is_shipped_is_the_one_that_is_written() -> None:
    """schema.json is what `python -m rdzv_conformance.reports` prints."""
    shipped = (files("rdzv_conformance.reports") / "schema.json").read_text(encoding="utf-8")
    assert json.loads(shipped) == schema()


def test_a_report_has_exactly_the_fields_of_the_schema(ran: Report) -> None:
    """Nothing that is written is missing in the schema, and nothing that the schema demands is missing."""
    _matches(json.loads(json.dumps(ran.as_dict())), schema(), schema()["$defs"])


def _matches(value: Any, shape: dict[str, Any], defs: dict[str, Any]) -> None:
    """Check the parts of JSON Schema that the schema uses."""
    if "$ref" in shape:
        _matches(value, defs[shape["$ref"].rpartition("/")[2]], defs)
    elif "anyOf" in shape:
        assert any(value is None if each["type"] == "null" else value is not None for each in shape["anyOf"])
    elif "enum" in shape:
        assert value in shape["enum"]
    elif "const" in shape:
        assert value == shape["const"]
    elif shape["type"] == "object" and "properties" in shape:
        assert set(value) == set(shape["properties"]) == set(shape["required"])
        for name, each in value.items():
            _matches(each, shape["properties"][name], defs)
    elif shape["type"] == "array":
        for each in value:
            _matches(each, shape["items"], defs)
    else:
        kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}
        assert isinstance(value, kinds[shape["type"]])


def test_what_was_written_is_what_is_read(ran: Report, tmp_path: Path) -> None:
    """report.json holds the whole report: read back, from the file or its directory, it is equal."""
    write_report(ran, tmp_path)
    assert read_report(tmp_path) == read_report(tmp_path / "report.json") == ran


def test_a_report_says_what_was_tested_and_how_to_see_it_again(ran: Report) -> None:
    """Versions, system, seed, command, hashes, evidence of every clause with its duration, latencies."""
    assert ran.certified
    assert ran.command == "rdzv certify memory --endpoint here --profile store --seed 42"
    assert [each.role for each in ran.tested] == ["backend", "suite", "core"]
    assert all(len(each.sha256) == 64 and each.files for each in ran.tested)
    tests = [[test.status for test in each.tests if test.seconds >= 0] for each in ran.of("pass")]
    assert all({"pass"} <= {*each} <= {"pass", "unsupported"} for each in tests)  # no connection can be lost there
    assert [each.operation for each in ran.latency] == ["get_state", "set_state"]
    assert all(0 < each.median_ms <= each.p99_ms for each in ran.latency)
    assert ran.python
    assert ran.os
    assert ran.machine


def test_what_a_backend_says_is_text_on_the_page(written: Path) -> None:
    """No element and no attribute comes out of an error message; the page is well-formed and shows the message."""
    page = _Page((written / "index.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "link"} == set()
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<img src=x onerror=alert(2)> \\x1b[31m \\x00 \\ud800" in page.words


def test_the_page_loads_nothing(written: Path) -> None:
    """It links its own parts and the reports beside it, and forbids the browser to load anything."""
    page = _Page((written / "index.html").read_text(encoding="utf-8"))
    assert not any("src" in a for _, a in page.tags)
    links = [a.get("href") or "" for _, a in page.tags if "href" in a]
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    beside = {each.name for each in written.iterdir()} - {"index.html"}
    assert {link for link in links if not link.startswith("#")} == beside
    policies = [a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_the_page_says_the_verdict_first_and_for_what_it_speaks(written: Path) -> None:
    """Title, verdict, what is broken with the message, and only then the rest."""
    words = _Page((written / "index.html").read_text(encoding="utf-8")).words
    order = ["memory: not certified", "RDZV-CAS-7", "Profiles", "Tried under", "Clauses", "How to see it again"]
    body = words[words.index("rdzv backend contract") :]
    places = [body.index(each) for each in order]
    assert places == sorted(places)
    assert "not shown to be linearizable" in body.lower()


def test_junit_has_a_case_for_each_clause(written: Path) -> None:
    """A suite for each profile; failed, untested and passed clauses as JUnit has them; any message is XML."""
    root = ElementTree.fromstring((written / "junit.xml").read_bytes())
    core = next(suite for suite in root if suite.get("name") == "core")
    clauses = [each for each in catalogue().values() if each.profile == "core"]
    assert [case.get("name") for case in core] == [each.id for each in clauses]
    assert (core.get("tests"), core.get("failures"), core.get("skipped")) == (str(len(clauses)), "1", "1")
    failure = core.find("testcase[@name='RDZV-CAS-7']/failure")
    assert failure is not None
    assert "<script>" in (failure.get("message") or "")
    assert core.find("testcase[@name='RDZV-CONN-6']/skipped") is not None


def test_the_badge_is_a_picture_that_says_the_verdict(written: Path) -> None:
    """SVG with the verdict as its title."""
    badge = ElementTree.fromstring((written / "badge.svg").read_bytes())
    assert badge.get("aria-label") == "rdzv memory: not certified"


def test_a_message_breaks_no_markdown_table(written: Path) -> None:
    """Every row of a table has the cells of its head, whatever a backend said; no tag gets through."""
    text = (written / "report.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| RDZV-")]
    assert len(rows) == sum(each.profile in ("core", "store") for each in catalogue().values())
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}
    assert "<img" not in text


def test_no_control_character_reaches_a_terminal_or_a_file(written: Path) -> None:
    """What cannot be printed is shown as an escape, on one line."""
    assert plain("a\x1b[2J\r\nb\u202e\ud800") == "a\\x1b[2J b\\u202e\\ud800"
    for name in ("index.html", "report.md", "junit.xml", "badge.svg", "report.json"):
        text = (written / name).read_text(encoding="utf-8")
        assert not [each for each in text if not each.isprintable() and each != "\n"]


def test_no_secret_is_written(tmp_path: Path) -> None:
    """Not the value of a secret option, not a password in the endpoint, and not where the backend repeats them."""
    said = "cannot log in as root with 'correct-horse' and tok\u20acn-1 at root:battery@db:1"
    report = _made(said, "root:battery@db:1", password="correct-horse", auth_token="tok\u20acn-1", read_timeout="2")
    write_report(report, tmp_path)
    for file in tmp_path.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "correct-horse" not in text
        assert "battery" not in text
        assert "n-1 " not in text
    assert report.subject.options == {"auth_token": "…", "password": "…", "read_timeout": "2"}
    assert report.subject.endpoint == "…@db:1"


def test_a_secret_is_what_the_backend_says_is_one() -> None:
    """An option that the backend's table calls secret is hidden, whatever its name; a refusal is cleaned as well."""
    findings = Findings(
        "memory", "redis://me:opensesame@h:1/0", {"pin": "123456"}, secret=("pin",), lent=("swordfish",)
    )
    secrets = Secrets.of(findings)
    assert secrets.shown(findings.options) == {"pin": "…"}
    assert secrets.hide("pin 123456 for me:opensesame, swordfish") == "pin … for …, …"


def test_the_median_and_the_99th_percentile_are_of_the_samples() -> None:
    """In milliseconds, from seconds."""
    found = latency("get_state", [number / 1000 for number in range(1, 201)])
    assert (found.median_ms, found.p99_ms) == (100.5, 199)


def test_what_is_claimed_is_held_against_what_was_found() -> None:
    """A claim whose clauses fail is not there; what is there without a claim is reported."""
    report = _made()
    by_name = {each.name: each for each in report.capabilities}
    assert (by_name["store"].claimed, by_name["store"].found) == (True, True)
    assert (by_name["watch"].claimed, by_name["watch"].found) == (False, True)
    assert "does not derive from SupportsWatch" in by_name["watch"].remark
    failing = replace(next(each for each in report.clauses if each.clause == "RDZV-STORE-1"), status="fail")
    (store,) = capabilities({"store": {"claimed": True, "there": True}}, [failing])
    assert (store.found, store.remark) == (False, "RDZV-STORE-1 fail")


def test_claims_are_read_from_the_classes() -> None:
    """The reference backend claims everything, and has it."""
    backend = MemoryBackend(RendezvousParameters("memory", "here", "claims", 1, 1))
    names = ("watch", "membership", "store", "delete", "listing")
    assert claims_of(backend) == {name: {"claimed": True, "there": True} for name in names}


def test_a_certificate_speaks_only_for_what_it_was_tried_under(ran: Report) -> None:
    """The topologies and faults that held are named; without core nothing is said about linearizability."""
    assert ran.scope.startswith("the profile core was not tested")
    sound = replace(_made(), clauses=tuple(replace(each, status="pass") for each in _made().clauses))
    assert "the profile core does not hold" in _made().scope
    assert sound.scope.startswith("linearizable for threads on one instance, instances in one process, processes")
    assert "a fork with an open instance" not in sound.scope  # it was untested
    assert sound.scope.endswith("as far as it was tried, and no more")


def test_a_drawing_stays_as_it_was_drawn(tmp_path: Path) -> None:
    """The calls that show a violation are a picture of several lines: on the page, in Markdown and in JUnit."""
    drawing = "two won:\nthread 1      ├─2──┤\nthread 2  ├─1──┤ <b>\x1b"
    write_report(_made(drawing), tmp_path)
    page, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "report.md"))
    assert ">thread 1      ├─2──┤\nthread 2  ├─1──┤ &lt;b&gt;\\x1b</pre>" in page
    assert "\n      thread 1      ├─2──┤\n      thread 2  ├─1──┤ <b>\\x1b\n" in text
    failure = ElementTree.fromstring((tmp_path / "junit.xml").read_bytes()).find(".//failure")
    assert failure is not None
    assert failure.get("message") == "two won:"
    assert "\nthread 1      ├─2──┤\n" in (failure.text or "")


def test_every_condition_is_read_from_a_test_of_the_suite() -> None:
    """A test that was renamed would silently take its fault out of every certificate."""
    assert set(conditions_rest_on()) <= set(names_of_tests(Suite))


def test_a_clause_that_passed_in_part_says_what_was_not_tested() -> None:
    """A killed writer was tried, a killed store was not: the clause passes, the verdict and the scope say so."""
    tests = map_clauses(Suite)["RDZV-DURABLE-1"]
    store, writer = (next(test for test in tests if f"killed_{who}" in test) for who in ("store", "writer"))
    found = [
        TestResult(store, ("RDZV-DURABLE-1",), "untested", "needs restart()"),
        TestResult(writer, ("RDZV-DURABLE-1", "RDZV-DURABLE-2"), "pass"),
    ]
    clauses = by_clause(found, ["durable"])
    report = Report(_made().subject, ("durable",), clauses, conditions=conditions(clauses))
    assert (clauses[0].status, clauses[0].message) == ("pass", "in part untested: needs restart()")
    gaps = "(not tested: RDZV-DURABLE-1) (untested: RDZV-DURABLE-3) (in part untested: RDZV-DURABLE-1)"
    assert report.verdict == f"NOT certified: durable {gaps}"  # it is what the profile is about
    assert not report.certified
    assert {each.what: each.status for each in report.conditions} == {
        "kill -9 of the store": "untested",
        "kill -9 of a writer": "pass",
    }


def test_several_reports_make_a_matrix(ran: Report, tmp_path: Path) -> None:
    """A column for each backend, a directory for each report, also where two have one name."""
    other = _made("plainly wrong")
    write_matrix([ran, other], tmp_path)
    assert (tmp_path / "memory" / "index.html").is_file()
    assert (tmp_path / "memory-2" / "report.json").is_file()
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| [memory](memory/report.md) | [memory](memory-2/report.md) |" in text
    assert "](" not in matrix_markdown([ran, other])
    rows = {line.split("|")[1].strip(): line.split("|")[2:4] for line in text.splitlines() if line.startswith("| ")}
    assert [cell.strip() for cell in rows["certified"]] == ["yes", "NO"]
    assert [cell.strip() for cell in rows["capability watch"]] == ["untested", "there, not claimed"]

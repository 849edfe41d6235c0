"""`rdzv certify`: several backends, seeds, repeats, the live table, and `--verify`."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rdzv_conformance import commands
from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.target import Target
from rdzv_conformance.reports import read_report, verify, write_report
from rdzv_conformance.reports._document import encode
from rdzv_conformance.reports.live import ProgressLines, ProgressTable, showing_progress
from rdzv_conformance.run.provenance import examine
from rdzv_conformance.run.results import Report, Subject, TestResult, by_clause
from rdzv_conformance.run.runner import select_tests
from rich.console import Console


def _certify(*arguments: str) -> Result:
    return CliRunner().invoke(commands.certify, list(arguments))


def _fake(failing: Callable[[int], bool]) -> Callable[..., Report]:
    """A suite that fails for some seeds."""

    def run(name: str, endpoint: str, options: Any, profiles: Any, progress: Any, seed: int, **_: Any) -> Report:
        results = [TestResult(f"test_{n}", (n,), "fail" if failing(seed) else "pass", "wrong") for n in catalogue()]
        return Report(Subject(name, endpoint), ("core",), by_clause(results, ["core"]), seed=seed, command="again")

    return run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report.json of a real run, in its directory."""
    directory = tmp_path_factory.mktemp("report")
    ran = _certify("memory", "--endpoint", "here", "--profile", "store", "--seed", "3", "--report", str(directory))
    assert ran.exit_code == 0
    return directory


def test_several_backends_are_compared(tmp_path: Path) -> None:
    """The matrix on stdout and as Markdown, a directory for each; status 0 if all are certified."""
    ran = _certify("memory=a", "rdzv-core:memory=b", "--profile", "store", "--report", str(tmp_path))
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["memory", "rdzv-core:memory"]
    assert lines[1].split() == ["certified", "yes", "yes"]
    assert lines[-1].startswith("rdzv-core:memory: certified: store")
    assert {each.name for each in tmp_path.iterdir()} == {"README.md", "memory", "rdzv-core-memory"}


def test_one_backend_that_could_not_be_tested_does_not_hold_up_the_others() -> None:
    """The others are tested and compared; then the reason, and status 2."""
    ran = _certify("no-such=a", "memory=b", "--profile", "store")
    assert ran.exit_code == 2
    assert "memory: certified: store" in ran.stdout
    assert "no-such could not be tested: no backend 'no-such' is installed" in ran.stderr


def test_one_backend_that_is_not_certified_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """All must be; --json gives a list of reports."""
    monkeypatch.setattr(
        commands, "run_suite", lambda name, *rest, seed, **_: _fake(lambda _: name == "b")(name, *rest, seed)
    )
    ran = _certify("a=x", "b=y", "--json")
    assert ran.exit_code == 1
    assert [(each["subject"]["backend"], each["certified"]) for each in json.loads(ran.stdout)] == [
        ("a", True),
        ("b", False),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "which backend?"),
        (("memory", "tcp"), "an endpoint is required for 'memory': give memory=ENDPOINT"),
        (("memory=a", "tcp=b", "--endpoint", "c"), "--endpoint is for one NAME"),
        (("memory=a", "tcp=b", "--option", "is_host=true"), "NAME.is_host=VALUE"),
        (("memory", "--verify", "report.json"), "it runs nothing"),
        (("memory=a", "--seed", "-1"), "--seed"),
        (("memory=a", "--repeat", "0"), "--repeat"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(arguments: tuple[str, ...], words: str) -> None:
    """Status 2, and what to write instead."""
    ran = _certify(*arguments)
    assert ran.exit_code == 2
    assert words in " ".join(ran.stderr.split())


def test_an_option_goes_to_the_backend_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With several backends an option is NAME.OPTION=VALUE."""
    given: dict[str, Any] = {}

    def run(name: str, endpoint: str, options: Any, profiles: Any, progress: Any, seed: int, **_: Any) -> Report:
        given[name] = options
        return _fake(lambda _: False)(name, endpoint, options, profiles, progress, seed)

    monkeypatch.setattr(commands, "run_suite", run)
    assert _certify("tcp=a:1", "etcd=b:2", "--option", "etcd.user=me", "--option", "tcp.is_host=no").exit_code == 0
    assert given == {"tcp": {"is_host": "no"}, "etcd": {"user": "me"}}


@pytest.mark.cases
def test_repeat_counts_the_seed_up() -> None:
    """Every run is said with its seed; the report is the last one's."""
    ran = _certify("memory", "--endpoint", "x", "--profile", "store", "--seed", "7", "--repeat", "3")
    assert ran.exit_code == 0
    assert [line.split(":")[0] for line in ran.stderr.splitlines() if line.startswith("run ")] == [
        "run 1 of 3, seed 7",
        "run 2 of 3, seed 8",
        "run 3 of 3, seed 9",
    ]
    assert "--seed 9" in ran.stdout


def test_repeat_stops_at_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed of the run that failed is printed, and no further run is made."""
    monkeypatch.setattr(commands, "run_suite", _fake(lambda seed: seed >= 12))
    ran = _certify("mine", "--endpoint", "x", "--seed", "10", "--repeat", "100")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[-1].startswith("run 3 of 100, seed 12: NOT certified")


def test_without_a_seed_the_report_names_the_one_that_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that any run can be repeated."""
    drawn: list[int] = []
    monkeypatch.setattr(commands, "run_suite", _fake(lambda seed: drawn.append(seed) or False))
    told = [json.loads(_certify("memory", "--endpoint", "x", "--json").stdout)["seed"] for _ in range(2)]
    assert told == [*dict.fromkeys(drawn)]
    assert told[0] != told[1]


def test_a_seed_makes_the_same_random_numbers() -> None:
    """A test draws from the backend under test, which is given the seed."""
    drawn = [BackendUnderTest(Target("memory", "x", seed=seed)).random.random() for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_live_table_has_a_mark_for_every_clause() -> None:
    """What is through, what runs, what is broken and why; a backend's message is shown as it is, and harmless."""
    progress = ProgressTable("mine, run 2 of 3")
    tests = select_tests(["core", "store"])
    progress.planned(("core", "store"), tests)
    chosen = [next(test for test in tests if test.startswith(f"test_RDZV_STATE_{number}_")) for number in range(1, 5)]
    for done, test in enumerate(chosen):
        progress.began(test, done, len(tests))
        number = "-".join(test.removeprefix("test_").split("_")[:3])
        broken = number == "RDZV-STATE-3"
        progress.ended(TestResult(test, (number,), "fail" if broken else "pass", "[bold]odd\x1b[2J" if broken else ""))
    progress.began("test_RDZV_STATE_5_too_large", 4, len(tests))
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=False).print(progress)
    drawn = out.getvalue()
    assert f"mine, run 2 of 3  4/{len(tests)}" in drawn
    assert "core   STATE   1✓ 2✓ 3✗ 4✓ 5…" in drawn
    assert "store  STORE   1…" in drawn
    assert "RDZV-STATE-3 fail: [bold]odd\\x1b[2J" in drawn


def test_what_was_certified_is_recognised(report: Path) -> None:
    """--verify of a fresh report: the same, status 0; the directory will do as well as the file."""
    for path in (report, report / "report.json"):
        ran = _certify("--verify", str(path))
        assert ran.exit_code == 0, ran.output
        assert ran.stdout.startswith("same: ")


def test_a_changed_file_is_named(report: Path, tmp_path: Path) -> None:
    """--verify says which files are other ones, which are new and which are missing, and which versions differ."""
    read = read_report(report)
    backend, *others = read.tested
    files = dict(backend.files)
    files.pop("rdzv_core/_keys.py")
    files |= {"rdzv_core/envelope.py": "0" * 64, "rdzv_core/gone.py": "1" * 64}
    tampered = replace(read, tested=(replace(backend, version="0.0.9", files=files), *others))
    (tmp_path / "report.json").write_text(encode(tampered), encoding="utf-8")
    ran = _certify("--verify", str(tmp_path))
    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[:-1] == [
        "backend rdzv-core: 0.0.9 was tested, 0.1.0 is installed",
        *(
            f"backend rdzv-core: rdzv_core/{what}"
            for what in ("envelope.py differs from what was tested", "gone.py is not there", "_keys.py is new")
        ),
    ]
    assert ran.stdout.splitlines()[-1].startswith("different: ")
    assert json.loads(_certify("--verify", str(tmp_path), "--json").stdout)["same"] is False


def test_a_backend_that_is_not_installed_is_not_the_same(report: Path) -> None:
    """Its files are not there to be compared."""
    read = read_report(report)
    gone = replace(read.tested[0], distribution="rdzv-gone", module="rdzv_gone", version="1.0")
    assert verify(replace(read, tested=(gone,))) == ["backend rdzv-gone: 1.0 is not installed here"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: None, "cannot be read"),
        (lambda text: text[:-20], "is not JSON"),
        (lambda text: "[1]", "is not a report of rdzv certify"),
        (lambda text: text.replace('"report_version": 1', '"report_version": 99'), "a report of version 99"),
        (lambda text: text.replace('"seed": 3', '"seed": "three"'), "Expected `int`"),
        (lambda text: text.replace('"verdict": "certified', '"verdict": "very certified'), "was changed after"),
        (lambda text: text.replace('"status": "pass"', '"status": "fail"', 1), "was changed after"),
    ],
)
def test_what_is_no_report_cannot_be_verified(report: Path, tmp_path: Path, change: Any, words: str) -> None:
    """Status 2, with the reason; a verdict that its own clauses do not make is not believed."""
    text = change((report / "report.json").read_text(encoding="utf-8"))
    if text is not None:
        (tmp_path / "report.json").write_text(text, encoding="utf-8")
    ran = _certify("--verify", str(tmp_path))
    assert ran.exit_code == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.output


def test_a_wheel_and_its_tree_have_the_same_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution is hashed by its list of files, an editable one by its package: to the same end."""
    package = tmp_path / "hashed_backend"
    (package / "deep").mkdir(parents=True)
    (package / "__pycache__").mkdir()
    for name in ("__init__.py", "deep/__init__.py", "py.typed", "__pycache__/__init__.pyc"):
        (package / name).write_text(f"# {name}\n", encoding="utf-8")
    info = tmp_path / "hashed_backend-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hashed-backend\nVersion: 2.0\n", encoding="utf-8")
    listed = [f"hashed_backend/{name},," for name in ("__init__.py", "deep/__init__.py", "py.typed")]
    record = [*listed, "hashed_backend-2.0.dist-info/METADATA,,", "../../bin/hashed,,", "_hashed.pth,,"]
    (info / "RECORD").write_text("\n".join(record), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    by_list, by_package = (
        examine("backend", "hashed-backend", "hashed_backend.deep"),
        examine("backend", "", "hashed_backend"),
    )
    assert by_list.version == "2.0"
    assert by_list.files == by_package.files
    assert by_list.sha256 == by_package.sha256 != ""
    assert set(by_list.files) == {f"hashed_backend/{name}" for name in ("__init__.py", "deep/__init__.py", "py.typed")}
    (package / "py.typed").write_text("changed", encoding="utf-8")
    assert examine("backend", "", "hashed_backend").sha256 != by_list.sha256


def test_reports_that_cannot_be_written_are_status_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be made is said, after the run."""
    monkeypatch.setattr(commands, "run_suite", _fake(lambda _: False))
    (tmp_path / "file").write_text("", encoding="utf-8")
    for backends in (("mine=x",), ("mine=x", "other=y")):
        ran = _certify(*backends, "--report", str(tmp_path / "file" / "below"))
        assert ran.exit_code == 2
        assert "could not be written" in ran.stderr


def test_a_report_holds_the_whole_of_a_fake_run(tmp_path: Path) -> None:
    """A report without latency, hashes or capabilities can be written and read too."""
    made = _fake(lambda _: True)("mine", "x", {}, (), None, 1)
    write_report(made, tmp_path)
    assert read_report(tmp_path) == made
    assert verify(made) == ["backend 'mine': the report holds no hash of its files"]


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_be_drawn_on_gets_a_line_for_each_test(
    monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    """Nothing live is drawn there, and an empty screen would tell nothing for minutes."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with showing_progress("memory") as progress:
        assert isinstance(progress, ProgressLines)

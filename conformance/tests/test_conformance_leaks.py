"""What a test of the suite leaves is counted, and told with its name; what is none of the backend's is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Untested
from rdzv_conformance.harness.leaks.detector import LeakDetector, Leaked, by_its_clause
from rdzv_conformance.harness.leaks.holdings import Holdings
from rdzv_conformance.harness.memory_helpers import MEMORY
from rdzv_conformance.harness.target import Target
from rdzv_conformance.run.conditions import conditions
from rdzv_conformance.run.results import TestResult, by_clause
from rdzv_conformance.run.runner import run_test

NAME = "test_RDZV_CAS_1_anything"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("SETTLE", "SETTLE_FIRST"):
        monkeypatch.setattr(f"rdzv_conformance.harness.leaks.detector.{each}", 0.05)


@pytest.fixture
def descriptors() -> Iterator[Callable[[], None]]:
    """Opens descriptors that nobody closes before the test's end."""
    opened: list[int] = []
    yield lambda: opened.append(os.dup(0))
    for each in opened:
        os.close(each)


def _count(run: Callable[[BackendUnderTest], None], leak_detector: LeakDetector | None = None) -> None:
    (leak_detector or LeakDetector()).count(NAME, BackendUnderTest(Target("memory", "leaks", helpers=MEMORY)), run)


def test_a_descriptor_that_every_run_leaves_is_told_with_the_tests_name(descriptors: Callable[[], None]) -> None:
    """The test is run again, and what each run left breaks RDZV-LIFE-4, though the test itself passed."""
    with pytest.raises(Leaked, match=rf"{NAME} left behind, though all was closed: file descriptor") as caught:
        _count(lambda _: descriptors())
    assert caught.value.clauses == ("RDZV-LIFE-4",)
    assert caught.value.own is None


def test_what_is_made_once_and_kept_is_a_librarys_own(descriptors: Callable[[], None]) -> None:
    """A pool that the first use makes is not left by the test that happened to be the first."""
    made: list[None] = []

    def first_use(_: BackendUnderTest) -> None:
        if not made:
            made.append(descriptors())

    leak_detector = LeakDetector()
    _count(first_use, leak_detector)
    _count(first_use, leak_detector)


def test_a_pool_that_fills_up_over_three_runs_is_not_left(descriptors: Callable[[], None]) -> None:
    """Instances share it, the anchor among them, and it keeps as many connections as were once used at a time."""
    made: list[None] = []

    def use(_: BackendUnderTest) -> None:
        if len(made) < 3:
            made.append(descriptors())

    _count(use)
    assert len(made) == 3


def test_what_is_replaced_by_its_like_is_not_left(descriptors: Callable[[], None]) -> None:
    """A connection that was opened again is as many as before."""
    held = [os.dup(0)]

    def make_another(_: BackendUnderTest) -> None:
        descriptors()
        if held:
            os.close(held.pop())
        raise Untested("the reason")

    with pytest.raises(Untested):
        LeakDetector().count(NAME, BackendUnderTest(Target("memory", "leaks")), make_another)


def test_a_thread_is_given_time_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends a moment after the test is none that was left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ends = threading.Event()
    before = Holdings.now()
    thread = threading.Thread(target=ends.wait)
    thread.start()
    threading.Timer(0.1, ends.set).start()
    assert before.left_over(5.0) == []
    thread.join()


def test_temp_files_are_counted_in_a_directory_of_the_processs_own() -> None:
    """What somebody else does in the common directory meanwhile is not seen; afterwards it is the common one again."""
    before = tempfile.gettempdir(), os.environ.get("TMPDIR")
    seen: list[str] = []

    def run(_: BackendUnderTest) -> None:
        seen.append(tempfile.gettempdir())
        assert os.environ["TMPDIR"] == seen[-1]
        tempfile.mkdtemp()

    with pytest.raises(Leaked, match="temp file"):
        _count(run)
    assert before[0] not in seen
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before


def test_tests_that_run_at_the_same_time_are_not_counted(descriptors: Callable[[], None]) -> None:
    """Nobody can tell which of them left it."""
    leak_detector = LeakDetector()
    _count(lambda _: _count(lambda _: descriptors(), leak_detector), leak_detector)


def test_the_tests_own_finding_is_kept(descriptors: Callable[[], None]) -> None:
    """A test that fails and leaves something is two findings, about different clauses."""

    def fails(_: BackendUnderTest) -> None:
        descriptors()
        raise ClauseFailed("its own")

    with pytest.raises(Leaked, match=r"its own\nand .* left behind") as caught:
        _count(fails)
    assert isinstance(caught.value.own, ClauseFailed)


def test_a_call_that_has_not_returned_is_told_as_that(descriptors: Callable[[], None]) -> None:
    """What it holds is not said to be left: the clause that it breaks is another one."""
    for_ever = threading.Event()

    def hangs(under_test: BackendUnderTest) -> None:
        descriptors()
        threading.Thread(target=under_test.calls.run, args=("get_state()", 9.0, for_ever.wait), daemon=True).start()

    _count(hangs)
    for_ever.set()


def test_a_key_that_is_left_breaks_its_own_clause() -> None:
    """Keys of this test that are in the store when all was deleted; those of others are not its own."""

    def spoils(under_test: BackendUnderTest) -> None:
        register = under_test.open()
        register.write(b"there")
        register.backend.hub.raw[f"{register.backend.key}.lock"] = b""  # type: ignore[attr-defined]
        register.backend.hub.raw["of somebody else"] = b""  # type: ignore[attr-defined]
        under_test.clean_up()

    with pytest.raises(
        Leaked, match=r"left behind, though all was closed: key rdzv\.conformance-\w+\.\w+\.lock$"
    ) as caught:
        _count(spoils)
    assert caught.value.clauses == ("RDZV-LIFE-6",)


def test_registers_that_tests_closed_or_other_processes_wrote_are_deleted_too() -> None:
    """The suite tidies up after itself: else what it forgot would be counted against the backend."""
    under_test = BackendUnderTest(Target("memory", "tidy", helpers=MEMORY))
    closed = under_test.open()
    for each in (closed, closed.sibling("a"), under_test.open(f"{under_test.run_id}-b")):
        each.write(b"there")
        each.close()
    elsewhere = BackendUnderTest(Target("memory", "tidy"))
    elsewhere.run_id = under_test.run_id
    assert len(under_test.keys_left()) == 3
    under_test.clean_up()
    assert under_test.keys_left() == []


def test_what_is_left_is_a_failure_of_the_clauses_in_the_report() -> None:
    """The test that left it is the evidence; the test's own clause keeps its own status."""
    left = ("thread x (1)", "key k")
    results = [TestResult(NAME, ("RDZV-CAS-1",), "pass", left=left)]
    status = {each.clause: each for each in by_clause(results, ("core",))}
    assert status["RDZV-CAS-1"].status == "pass"
    for number, texts in by_its_clause(left):
        assert status[number].status == "fail"
        assert [each.test for each in status[number].tests] == [NAME]
        assert texts[0] in status[number].message


def test_what_is_left_says_nothing_about_the_fault_that_a_test_is_about() -> None:
    """A store that was restarted was restarted, whatever the test left."""
    test = "test_RDZV_CONN_5_an_instance_works_again_after_a_cut"
    clauses = by_clause([TestResult(test, ("RDZV-CONN-5",), "pass", left=("thread x (1)",))], ("core",))
    assert [(each.what, each.clause, each.status) for each in conditions(clauses)] == [
        ("a connection cut", "RDZV-CONN-5", "pass")
    ]


def test_the_suites_own_temp_directory_does_not_outlive_the_process(tmp_path: Path) -> None:
    """A run of one test in another process leaves the directory for temp files as it was."""

    code = "from rdzv_conformance.run.runner import run_test\nfrom rdzv_conformance.harness.target import Target\n"
    code += "print(run_test(Target('memory', 'x'), 'test_RDZV_STATE_2_what_was_set_is_read').status)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "pass\n"
    assert list(tmp_path.iterdir()) == []


def test_a_test_of_the_suite_says_what_it_left(
    monkeypatch: pytest.MonkeyPatch, descriptors: Callable[[], None]
) -> None:
    """`run_test` gives it beside the test's own result."""
    opened = BackendUnderTest.open

    def leaky(self: BackendUnderTest, *arguments: str) -> object:
        descriptors()
        return opened(self, *arguments)

    monkeypatch.setattr(BackendUnderTest, "open", leaky)
    result = run_test(Target("memory", "leaks"), "test_RDZV_STATE_2_what_was_set_is_read")
    assert (result.status, result.clauses) == ("pass", ("RDZV-STATE-2",))
    assert result.left[0].startswith("file descriptor")

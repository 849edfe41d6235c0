"""The pytest plugin: a verdict at the end of a run that has conformance tests, nothing at all in one that has none."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CLASS = """
import pytest
from rdzv_conformance import BackendConformance
from rdzv_conformance.mutants import install

install()

{fixture}

class TestMine(BackendConformance):
    backend = {backend!r}
    preload = ("rdzv_conformance.mutants:install",)
    {body}
"""


def _pytest(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_mine.py").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )


BENT = """
    @pytest.mark.xfail(reason="we know")
    def test_RDZV_CAS_2_without_a_token_a_present_state_is_kept(self, under_test):
        raise AssertionError
    @clause("RDZV-CAS-3")
    def test_RDZV_CAS_3_with_the_current_token_the_state_is_updated(self, under_test): pass
    @pytest.mark.skip(reason="not today")
    @clause("RDZV-CAS-4")
    def test_RDZV_CAS_4_a_stale_token_changes_nothing(self, under_test): pass
    test_RDZV_CAS_1_without_a_token_an_absent_state_is_created = None
"""


def _two_lines() -> str:
    return CLASS.format(backend="memory", fixture="@pytest.fixture\ndef endpoint(): return 'here'", body="")


def _bent() -> str:
    text = CLASS.format(backend="memory", fixture="from rdzv_conformance.contract.labels import clause", body=BENT)
    return text.replace(f"{BENT}", f"endpoint = 'here'\n{BENT}")


def _variants() -> str:
    fixture = "@pytest.fixture(scope='module', params=['here', 'there'])\ndef endpoint(request): return request.param"
    use = "@pytest.mark.usefixtures('endpoint')\nclass TestMine"
    return CLASS.format(backend="memory", fixture=fixture, body="").replace("class TestMine", use)


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """The runs of the whole suite, side by side: nearly all of each is waiting for leases and timeouts."""
    arguments = {"two lines": (_two_lines(), "-m", "rdzv_clause"), "bent": (_bent(),)}
    with ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(_pytest, tmp_path_factory.mktemp("run"), *each) for name, each in arguments.items()}
        return {name: run.result() for name, run in runs.items()}


def test_a_class_of_two_lines_gives_a_verdict(whole_runs: dict[str, subprocess.CompletedProcess[str]]) -> None:
    """A name and an endpoint are enough; the clauses that did not pass are listed with their reason."""
    ran = whole_runs["two lines"]
    assert ran.returncode == 0, ran.stdout
    assert "rdzv conformance: memory" in ran.stdout
    assert "RDZV-CAS-13    unsupported" in ran.stdout
    assert "certified: core, watch, membership, store" in ran.stdout


def test_a_selection_gives_no_certificate(tmp_path: Path) -> None:
    """What was deselected makes the verdict partial."""
    ran = _pytest(tmp_path, CLASS.format(backend="memory", fixture="", body="endpoint = 'here'"), "-k", "RDZV_CAS_4")
    assert ran.returncode == 0, ran.stdout
    assert "1 passed" in ran.stdout
    assert "partial, not certified" in ran.stdout


def test_a_test_that_was_bent_makes_the_verdict_partial_and_is_listed(
    whole_runs: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    """Overridden, skipped, expected to fail, or taken away: each is named, and there is no certificate."""
    ran = whole_runs["bent"]
    assert ran.returncode == 0, ran.stdout
    for test, how in {
        "CAS_1_without_a_token_an_absent_state_is_created": "not run at all: test_RDZV_{}",
        "CAS_2_without_a_token_a_present_state_is_kept": "not run at all: test_RDZV_{}",
        "CAS_3_with_the_current_token_the_state_is_updated": "as it is in the suite: test_RDZV_{} (overridden)",
        "CAS_4_a_stale_token_changes_nothing": "as it is in the suite: test_RDZV_{} (skipped (not today))",
    }.items():
        assert how.format(test) in ran.stdout
    assert "partial, not certified: 2 of the suite's" in ran.stdout
    assert "2 not as they are in the suite" in ran.stdout


@pytest.mark.cases  # two whole runs, one after the other
def test_the_variants_of_a_class_have_a_verdict_each(tmp_path: Path) -> None:
    """A fixture with parameters makes a class run several times: every run is whole, and none hides another."""
    ran = _pytest(tmp_path, _variants())
    assert ran.returncode == 0, ran.stdout
    for variant in ("here", "there"):
        assert f"TestMine[{variant}]" in ran.stdout
    assert ran.stdout.count("\ncertified: core, watch, membership, store") == 2


def test_a_broken_backend_fails_the_test_of_the_clause(tmp_path: Path) -> None:
    """The finding is in pytest's own output, and in the summary by clause."""
    text = CLASS.format(backend="falsy-is-none", fixture="", body="endpoint = 'here'")
    ran = _pytest(tmp_path, text, "-k", "RDZV_CAS")
    assert ran.returncode == 1
    assert "RDZV-CAS-6     fail" in ran.stdout
    assert " failed, " in ran.stdout  # a falsy token is also what the model of a register tries


def test_helpers_may_be_attributes_or_fixtures(tmp_path: Path) -> None:
    """Without the helper corrupt the clauses are untested; with one, as a fixture or an attribute, they run."""
    helper = "from rdzv_conformance.harness.memory_helpers import corrupt_memory\n"
    cases = {
        "": ("", "2 skipped"),
        "fixture": (f"{helper}@pytest.fixture\ndef corrupt(): return corrupt_memory", "2 passed"),
        "attribute": (helper, "2 passed"),
    }
    for case, (fixture, outcome) in cases.items():
        body = "endpoint = 'here'" + ("; corrupt = staticmethod(corrupt_memory)" if case == "attribute" else "")
        text = CLASS.format(backend="sound-memory", fixture=fixture, body=body)
        ran = _pytest(tmp_path, text, "-rs", "-k", "(STATE_6 or STATE_7) and not by_submitted")
        assert outcome in ran.stdout, (case, ran.stdout)
        assert ("untested: needs the helper corrupt" in ran.stdout) == (case == "")


def test_a_class_that_names_no_backend_says_what_is_missing(tmp_path: Path) -> None:
    """The error is about the class, not about the suite's insides."""
    ran = _pytest(tmp_path, CLASS.format(backend=None, fixture="", body=""), "-k", "RDZV_CAS_4")
    assert ran.returncode == 1
    assert "TestMine must say which backend it tests" in ran.stdout


ODD = """
import threading
from rdzv_core import register_backend
from rdzv_conformance.mutants._memory import SoundMemory

class Odd(SoundMemory):
    def set_state(self, state, token=None):
        if state == b"first":
            threading.Thread(target=threading.Event().wait, name="for ever", daemon=False).start()
        if len(state) == 256 * 1024:
            threading.Event().wait()
        return super().set_state(state, token)

register_backend("odd", Odd.from_params)
"""


def test_a_backend_that_hangs_and_leaves_threads_holds_up_nobody(tmp_path: Path) -> None:
    """The clauses are named, the other tests are run, and pytest ends though threads go on."""
    text = f"{ODD}\n{CLASS.format(backend='odd', fixture='', body='endpoint = chr(120); patience = 2.0')}"
    ran = _pytest(tmp_path, text, "-k", "(STATE_2 or STATE_4 or STATE_8) and not by_submitted")
    assert ran.returncode == 1, ran.stdout
    assert "RDZV-STATE-4   fail        set_state(" in ran.stdout
    assert "has not returned after 2 s" in ran.stdout
    assert "RDZV-LIFE-4    fail        test_RDZV_STATE_2_what_was_set_is_read left behind" in ran.stdout
    assert "not waiting for the threads that the backend left (for ever)" in ran.stdout


def test_a_run_without_conformance_tests_loads_nothing(tmp_path: Path) -> None:
    """A run of other tests, with the suite installed, neither waits for it nor prints anything about it."""
    text = "import sys\ndef test_it(): assert not [m for m in sys.modules if m.startswith(('rdzv_core', 'msgspec'))]\n"
    ran = _pytest(tmp_path, text)
    assert ran.returncode == 0, ran.stdout
    assert "rdzv" not in ran.stdout

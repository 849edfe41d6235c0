"""A short run of the chaos test, and tests of how it reads the journals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rdzv_etcd import find_binary

from rdzv_core import RendezvousError
from tests.chaos import journals
from tests.chaos.finishing import runs_after_the_end
from tests.chaos.journals import Work

ROOT = Path(__file__).resolve().parents[2]
STRUCK_SOON = ("--nodes", "3", "--minutes", "0.2", "--ttl", "12", "--every", "3", "--down", "2")


def _work(number: int, begin: float, end: float, rank: int = 0, size: int = 2, done: bool = False) -> Work:
    return Work(("e", number), rank, size, f"n{number}-{rank}", begin, end, done)


def test_two_groups_at_work_at_once_are_found() -> None:
    """Even for a moment, and if one works through several rounds of the others; members of one round do not overlap."""
    works = [_work(1, 0.0, 5.0), _work(1, 0.1, 9.0, rank=1), _work(2, 5.1, 6.0), _work(3, 8.99, 10.0)]
    found = list(journals.overlaps(works))
    assert [(each.one.node, each.other.node) for each in found] == [("n1-1", "n2-0"), ("n1-1", "n3-0")]
    assert found[1].seconds == pytest.approx(0.01)


def test_groups_that_follow_each_other_are_no_overlap() -> None:
    """Not even if one begins at the moment when the other ends."""
    assert list(journals.overlaps([_work(1, 0.0, 5.0), _work(1, 0.0, 4.0, rank=1), _work(2, 5.0, 6.0)])) == []


@pytest.mark.parametrize(
    "second", [_work(1, 0, 1, rank=0), _work(1, 0, 1, rank=1, size=3), _work(1, 0, 1, rank=2)], ids=str
)
def test_odd_ranks_are_found(second: Work) -> None:
    """The same rank twice, a different size, a rank beyond the size."""
    assert list(journals.odd_ranks([_work(1, 0, 1), _work(1, 0, 1, rank=1)])) == []
    assert len(list(journals.odd_ranks([_work(1, 0, 1), second]))) == 1


def test_a_group_is_whole_with_all_its_ranks() -> None:
    """Ranks 0 to n-1 of one round, and all agree on n."""
    assert journals.whole_group([_work(1, 0, 1, rank=1), _work(1, 0, 1)], 2)
    assert not journals.whole_group([_work(1, 0, 1)], 2)
    assert not journals.whole_group([_work(1, 0, 1), _work(2, 0, 1, rank=1)], 2)
    assert not journals.whole_group([_work(1, 0, 1), _work(1, 0, 1, rank=1)], 3)


def test_the_longest_time_without_a_group_is_measured() -> None:
    """From the last end of work to the next beginning, on any node."""
    assert journals.longest_pause([_work(1, 0, 9), _work(1, 1, 2, rank=1), _work(2, 12, 13)]) == 3


def test_a_journal_that_ends_in_the_middle_of_a_line_is_read(tmp_path: Path) -> None:
    """SIGKILL may come at any time; a worker that was killed before its first beat did not work."""
    (tmp_path / "one").write_bytes(b"e 3 1 2 n7\n1.5\n2.5\n9")
    (tmp_path / "two").write_bytes(b"e 3 0 2 n8\n")
    assert journals.read_all(tmp_path) == [Work(("e", 3), 1, 2, "n7", 1.5, 2.5)]


def test_a_journal_tells_whether_the_work_was_done(tmp_path: Path) -> None:
    """The last line says so; the line before it is the last beat."""
    (tmp_path / "one").write_bytes(b"e 3 1 2 n7\n1.5\n2.5\ndone\n")
    assert journals.read_all(tmp_path) == [Work(("e", 3), 1, 2, "n7", 1.5, 2.5, done=True)]


def test_work_that_ends_though_no_fault_can_have_led_to_it_was_stopped_by_the_store() -> None:
    """Not if it ended before all had met, at the end, soon after a node's fault, or because it was done."""
    works = [_work(1, 0, end) for end in (1.0, 5.0, 8.0, 20.0)] + [_work(1, 0, 9.0, done=True)]
    stopped = journals.stopped_unasked(works, 2.0, 15.0, [(4.0, 6.0), (5.0, 5.5)])
    assert [work.end for work in stopped] == [8.0]


def test_the_time_that_proves_something_is_measured() -> None:
    """The windows in which a fault may have an effect overlap, and extend beyond both ends."""
    assert journals.undisturbed(2.0, 15.0, []) == 13.0
    assert journals.undisturbed(2.0, 15.0, [(14.0, 20.0), (0.0, 3.0), (4.0, 8.0), (5.0, 6.0)]) == 7.0


def test_a_job_that_runs_again_after_it_was_done_is_found() -> None:
    """A round counts as done when all of its members are, and all of them lived to say so."""
    first = [_work(1, 0, 5.0, done=True), _work(1, 0, 6.0, rank=1, done=True)]
    again = _work(2, 7.0, 8.0)
    assert list(runs_after_the_end([*first, again], lambda _: True)) == [
        f"the job ran again after round 1 had finished it: {again}"
    ]
    assert not list(runs_after_the_end([*first, again], lambda work: work.node != "n1-1"))
    assert not list(runs_after_the_end([first[0], again], lambda _: True))


def _chaos(*arguments: str) -> str:
    """Run the chaos test; it must find nothing. Return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _has_etcd() -> bool:
    try:
        return bool(find_binary())
    except RendezvousError:
        return False


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it finds processes in /proc")
etcd = pytest.mark.skipif(not _has_etcd(), reason="etcd is not installed")


@linux
def test_real_nodes_that_are_killed_and_stopped_never_work_in_two_groups() -> None:
    """A few seconds on a served store; `python -m tests.chaos` runs for longer."""
    said = _chaos("--nodes", "5", "--minutes", "0.2", "--calm", "1.5")
    assert "overlaps: 0; rounds of odd ranks: 0; other findings: 0" in said


@linux
@pytest.mark.cases
def test_nodes_of_several_workers_never_work_in_two_groups() -> None:
    """Whichever of a node's workers is killed: all of them are in one round, or in none."""
    said = _chaos("--nodes", "3", "--nproc", "3", "--minutes", "0.2", "--calm", "1.5", "--ttl", "3", "--bound", "90")
    assert "3 nodes of 3 workers" in said
    assert "overlaps: 0; rounds of odd ranks: 0; other findings: 0" in said


@linux
@pytest.mark.cases
def test_jobs_that_finish_run_once_and_let_their_spares_end_well() -> None:
    """More nodes than seats, one of which is killed now and then: all others end with status 0."""
    assert "findings: 0" in _chaos("--finish", "--nodes", "2", "--minutes", "0.1")


@linux
@pytest.mark.parametrize("backend", ["tcp", pytest.param("etcd", marks=[etcd, pytest.mark.cases])])
def test_a_store_that_is_killed_and_started_again_stops_no_command(backend: str) -> None:
    """A lease covers its absence: nodes that are left alone keep working."""
    said = _chaos("--backend", backend, "--restart-store", "--calm-nodes", *STRUCK_SOON)
    assert "the store: restart" in said
    assert "commands stopped by a restart: 0" in said


@linux
@etcd
@pytest.mark.cases
def test_a_cluster_of_etcds_that_is_a_member_short_stops_no_command() -> None:
    """One of three is killed, stopped or cut off at a time."""
    said = _chaos("--backend", "etcd", "--cluster", "--calm-nodes", *STRUCK_SOON)
    assert "the store: member" in said
    assert "commands stopped by a restart: 0" in said

"""The chaos in short, and the eyes that it looks with: what it must find it finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import journals
from tests.chaos.journals import Work

ROOT = Path(__file__).resolve().parents[2]


def _work(number: int, begin: float, end: float, rank: int = 0, size: int = 2) -> Work:
    return Work(("e", number), rank, size, f"n{number}-{rank}", begin, end)


def test_two_groups_at_work_at_once_are_found() -> None:
    """However short, and also where one works through several rounds of the others; one round is no overlap."""
    works = [_work(1, 0.0, 5.0), _work(1, 0.1, 9.0, rank=1), _work(2, 5.1, 6.0), _work(3, 8.99, 10.0)]
    found = list(journals.overlaps(works))
    assert [(each.one.node, each.other.node) for each in found] == [("n1-1", "n2-0"), ("n1-1", "n3-0")]
    assert found[1].seconds == pytest.approx(0.01)


def test_groups_that_follow_each_other_are_no_overlap() -> None:
    """Not even where one begins in the moment that the other ends."""
    assert list(journals.overlaps([_work(1, 0.0, 5.0), _work(1, 0.0, 4.0, rank=1), _work(2, 5.0, 6.0)])) == []


@pytest.mark.parametrize(
    "second", [_work(1, 0, 1, rank=0), _work(1, 0, 1, rank=1, size=3), _work(1, 0, 1, rank=2)], ids=str
)
def test_odd_ranks_are_found(second: Work) -> None:
    """A rank held twice, another idea of the size, a rank beyond it."""
    assert list(journals.odd_ranks([_work(1, 0, 1), _work(1, 0, 1, rank=1)])) == []
    assert len(list(journals.odd_ranks([_work(1, 0, 1), second]))) == 1


def test_a_group_is_whole_with_all_its_ranks() -> None:
    """Ranks 0 to n-1 of one round, and n as everybody believes it to be."""
    assert journals.whole_group([_work(1, 0, 1, rank=1), _work(1, 0, 1)], 2)
    assert not journals.whole_group([_work(1, 0, 1)], 2)
    assert not journals.whole_group([_work(1, 0, 1), _work(2, 0, 1, rank=1)], 2)
    assert not journals.whole_group([_work(1, 0, 1), _work(1, 0, 1, rank=1)], 3)


def test_the_longest_time_without_a_group_is_measured() -> None:
    """From the last end of work to the next beginning, whoever works."""
    assert journals.longest_pause([_work(1, 0, 9), _work(1, 1, 2, rank=1), _work(2, 12, 13)]) == 3


def test_a_journal_that_ends_in_the_middle_of_a_line_is_read(tmp_path: Path) -> None:
    """SIGKILL may come at any time; who was killed before the first beat did not work."""
    (tmp_path / "one").write_bytes(b"e 3 1 2 n7\n1.5\n2.5\n9")
    (tmp_path / "two").write_bytes(b"e 3 0 2 n8\n")
    assert journals.read_all(tmp_path) == [Work(("e", 3), 1, 2, "n7", 1.5, 2.5)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it finds its victims in /proc")
def test_real_nodes_that_are_killed_and_stopped_never_work_in_two_groups() -> None:
    """Some seconds of it, on a served store; `python -m tests.chaos` is the long form."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--nodes", "5", "--minutes", "0.2", "--calm", "1.5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "overlaps: 0; rounds of odd ranks: 0; other findings: 0" in done.stdout

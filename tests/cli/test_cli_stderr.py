"""Lines for stderr: written in order by a thread of their own, and dropped where nobody reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rdzv_core._cli import stderr
from rdzv_core._cli.stderr import LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return a pipe's two ends."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def _read_until(readable: int, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        read += os.read(readable, 65536)
    return read


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    """Each is a line; what no encoding has is shown escaped."""
    writer = LineWriter(pipe[1])
    writer.write("one")
    writer.write("two \udc80")
    assert writer.flush(20)
    assert os.read(pipe[0], 100) == b"one\ntwo \\udc80\n"


def test_a_reader_that_reads_nothing_costs_lines_and_is_told_how_many(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer returns at once each time; once there is a reader again, what was kept comes first."""
    monkeypatch.setattr(stderr, "MOST_LINES", 10)
    writer = LineWriter(pipe[1])
    written = 0
    while writer.flush(0.1):
        writer.write(f"{written:04} {'x' * 4000}")
        written += 1
    for number in range(written, 1000):
        writer.write(f"{number:04} {'x' * 4000}")
    read = _read_until(pipe[0], b"stderr was not read in time\n").decode().splitlines()
    assert [int(line[:4]) for line in read[:-1]] == list(range(len(read) - 1))
    assert read[-1] == f"rdzv: {1000 - len(read) + 1} lines dropped: stderr was not read in time"
    assert writer.flush(20)


def test_a_pipe_without_a_reader_loses_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    """As it does a full disk."""
    os.close(pipe[0])
    writer = LineWriter(pipe[1])
    writer.write("lost")
    assert writer.flush(20)


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    """A terminal that ssh shares, say: nothing is lost, and no line is torn."""
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1])
    for number in range(100):
        writer.write(f"{number:02}{'x' * 8000}")
    writer.write("end")
    lines = _read_until(pipe[0], b"end\n").decode().splitlines()
    assert [len(line) for line in lines] == [8002] * 100 + [3]

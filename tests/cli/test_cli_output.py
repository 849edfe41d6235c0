"""Where the output of workers goes: to files, to the console, and what of it is shown when they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rdzv_core._cli.node.output import RoundOutput
from rdzv_core._cli.node.output_plan import BOTH, STDERR, STDOUT, OutputPlan, Selection
from rdzv_core._cli.node.relay import Relay, Source

Start = Callable[..., Any]

SAYS = "echo out $RANK in $RDZV_ROUND; echo err $RANK >&2"


@pytest.fixture
def console() -> Iterator[tuple[int, Callable[[], bytes]]]:
    """Yield a descriptor to write to, and what returns all that was written there; it closes the descriptor."""
    readable, writable = os.pipe()
    came: list[bytes] = []

    def read() -> None:
        with os.fdopen(readable, "rb") as pipe:
            came.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    closed: list[bool] = []

    def end() -> bytes:
        if not closed:
            closed.append(True)
            os.close(writable)
            reader.join()
        return came[0]

    yield writable, end
    end()


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([b"a\nb\n"], b"> a\n> b\n"),
        ([b"a", b"b\nc", b"\n"], b"> ab\n> c\n"),
        ([b"at last"], b"> at last\n"),
        ([b"10%\r20%\r", b"30%\r\n"], b"> 10%\r> 20%\r> 30%\r\n"),
        ([b"a\r", b"\nb\r"], b"> a\r\n> b\r"),
        ([b"\n\n"], b"> \n> \n"),
        ([b"\xff\xfe\n"], b"> \xff\xfe\n"),
    ],
    ids=["lines", "parts", "no-end", "progress", "torn-end", "empty", "bytes"],
)
def test_a_prefix_begins_each_line(chunks: list[bytes], shown: bytes) -> None:
    """However the lines come, and whatever they hold."""
    source, seen = Source("> ", None), b""
    for chunk in chunks:
        os.write(source.writable, chunk)
        seen += source.take() or b""
    os.close(source.writable)
    assert source.take() is None
    assert seen + source.end() == shown


def test_a_line_that_does_not_end_is_shown_in_parts(console: tuple[int, Callable[[], bytes]]) -> None:
    """Memory is bounded."""
    relay, source = Relay(console[0]), Source("", None)
    relay.sources.append(source)
    written = os.dup(source.writable)
    relay.start()
    for _ in range(40):
        os.write(written, b"x" * 8000)
    os.close(written)
    relay.finish(60)
    assert console[1]() == b"x" * 320_000 + b"\n"
    assert source.over.is_set()


def test_a_line_that_was_shown_to_its_last_byte_ends_as_well() -> None:
    """What came last filled the part: the next worker's line does not go on in this one."""
    source = Source("", None)
    os.set_blocking(source.writable, False)
    shown = b""
    for _ in range(2):
        os.write(source.writable, b"x" * 40_000)
        shown += source.take() or b""
    assert shown == b"x" * 80_000
    os.close(source.writable)
    assert source.take() is None
    assert source.end() == b"\n"


def test_a_console_that_is_gone_holds_up_no_worker(tmp_path: Path) -> None:
    """What it wrote is in its file."""
    readable, writable = os.pipe()
    os.close(readable)
    relay, source = Relay(writable), Source("> ", tmp_path / "log")
    relay.sources.append(source)
    written = os.dup(source.writable)
    relay.start()
    for _ in range(1000):
        os.write(written, b"x" * 999 + b"\n")
    os.close(written)
    relay.finish(60)
    os.close(writable)
    assert (tmp_path / "log").stat().st_size == 1_000_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_costs_the_file_only(
    console: tuple[int, Callable[[], bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, and the console has all of it."""
    relay, source = Relay(console[0]), Source("", Path("/dev/full"))
    relay.sources.append(source)
    written = os.dup(source.writable)
    relay.start()
    for _ in range(3):
        os.write(written, b"line\n")
    os.close(written)
    relay.finish(60)
    assert console[1]() == b"line\n" * 3
    assert [record.message for record in caplog.records if "/dev/full" in record.message] == [
        "cannot write /dev/full: is the disk full? What comes from now on is not in it"
    ]


@pytest.mark.parametrize(
    ("run_id", "name"),
    [
        ("job", "job-0123abcd"),
        ("../a/b", "%2Fa%2Fb-0123abcd"),
        ("..", "run-0123abcd"),
        ("x" * 500, "x" * 100 + "-0123abcd"),
    ],
    ids=["plain", "path", "dots", "long"],
)
def test_the_files_of_a_round_have_a_folder_of_their_own(tmp_path: Path, run_id: str, name: str) -> None:
    """It is always below the directory that was given."""
    assert OutputPlan(tmp_path).folder(run_id, "0123abcdef", 7) == tmp_path / name / "round-7"
    assert OutputPlan().folder(run_id, "0123abcdef", 7) is None


def test_each_stream_of_each_worker_goes_where_it_was_sent(node: Start, tmp_path: Path) -> None:
    """Kept and shown, kept only, or shown only; in files by round and rank."""
    logs, said = tmp_path / "logs", tmp_path / "said"
    waits = f"while [ ! -e {said} ]; do sleep 0.05; done"
    fails = f"{SAYS}; test $LOCAL_RANK = 0 && exec touch {said}; {waits}; test $RDZV_ROUND = 1 && exit 3; exit 0"
    flags = ("--nproc-per-node", "2", "--max-restarts", "1", "--log-dir", str(logs), "-t", "0:both", "-r", "1:stderr")
    each = node("1", "sh", "-c", fails, flags=flags)
    status, output = each.ends()
    assert status == 0, each.lines
    assert sorted(output.splitlines()) == [
        "[rank 0] out 0 in 1",
        "[rank 0] out 0 in 2",
        "out 1 in 1",
        "out 1 in 2",
    ]
    assert sorted(line for line in each.lines if not line.startswith("rdzv")) == ["[rank 0] err 0", "[rank 0] err 0"]
    (run,) = logs.iterdir()
    kept = {str(file.relative_to(run)): file.read_text() for file in run.rglob("*.log")}
    assert kept == {
        "round-1/rank-0.stdout.log": "out 0 in 1\n",
        "round-1/rank-0.stderr.log": "err 0\n",
        "round-1/rank-1.stderr.log": "err 1\n",
        "round-2/rank-0.stdout.log": "out 0 in 2\n",
        "round-2/rank-0.stderr.log": "err 0\n",
        "round-2/rank-1.stderr.log": "err 1\n",
    }


def test_a_directory_alone_keeps_everything_and_shows_it(node: Start, tmp_path: Path) -> None:
    """A single worker's lines have no prefix."""
    each = node("1", "sh", "-c", SAYS, flags=("--log-dir", str(tmp_path / "new" / "logs")))
    assert each.ends() == (0, "out 0 in 1\n")
    assert "err 0" in each.lines
    assert len(list((tmp_path / "new" / "logs").rglob("rank-0.*.log"))) == 2


@pytest.mark.parametrize("how", ["--tee", "--redirect"])
def test_the_last_lines_of_a_failed_worker_are_kept_in_the_store(
    node: Start, rdzv: Start, tmp_path: Path, how: str
) -> None:
    """Its own alone, although stderr is a pipe."""
    fails = "echo why $RANK >&2; test $RANK = 1 && exit 3; sleep 600"
    each = node("1", "sh", "-c", fails, flags=("--nproc-per-node", "2", "--log-dir", str(tmp_path), how, "stderr"))
    assert each.ends()[0] == 3, each.lines
    assert json.loads(rdzv("status", "--json").stdout)["last_failure"]["stderr"].strip() == "why 1"


def test_what_torch_records_of_an_exception_is_kept_where_stderr_says_nothing(
    node: Start, rdzv: Start, tmp_path: Path
) -> None:
    """As `torch.distributed.elastic.multiprocessing.errors.record` writes it."""
    code = (
        "import json, os, sys; file = open(os.environ['TORCHELASTIC_ERROR_FILE'], 'w'); json.dump({'message': "
        "{'message': 'short', 'extraInfo': {'py_callstack': 'Traceback: division by zero', 'timestamp': '1'}}}, file); "
        "file.close(); sys.exit(1)"
    )
    each = node("1", sys.executable, "-c", code, flags=("--log-dir", str(tmp_path)))
    assert each.ends()[0] == 1, each.lines
    assert json.loads(rdzv("status", "--json").stdout)["last_failure"]["stderr"] == "Traceback: division by zero"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a terminal that ends as Linux's does")
@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (("--nproc-per-node", "2"), ["[rank 0] out 0 in 1", "[rank 1] out 1 in 1"]),
        (("--nproc-per-node", "2", "--no-prefix"), ["out 0 in 1", "out 1 in 1"]),
        ((), ["out 0 in 1"]),
        (("--prefix",), ["[rank 0] out 0 in 1"]),
    ],
    ids=["several", "no-prefix", "one", "prefix"],
)
def test_on_a_terminal_lines_of_several_workers_begin_with_their_rank(flags: tuple[str, ...], shown: list[str]) -> None:
    """Unless that is not wanted; one worker's lines come as they are."""
    ours, theirs = os.openpty()
    run = [sys.executable, "-m", "rdzv_core", "run", "--standalone", *flags, "--", "sh", "-c", SAYS]
    with subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        came = b""
        try:
            while chunk := os.read(ours, 65536):
                came += chunk
        except OSError:  # Linux's way to say that nobody has the other end any more
            pass
        assert process.wait(60) == 0
    os.close(ours)
    assert sorted(came.decode().split("\r\n")[:-1]) == shown


def test_a_worker_knows_not_to_buffer_where_its_output_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unless the user has said how; and its errors have a file."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    output = RoundOutput(OutputPlan(tmp_path, tee=Selection(STDERR, {1: BOTH})), range(4, 6), tmp_path)
    output.begin()
    output.finish()
    assert output.environment(0) == {"TORCHELASTIC_ERROR_FILE": str(tmp_path / "rank-4.error.json")}
    assert output.environment(1)["PYTHONUNBUFFERED"] == "1"
    monkeypatch.setenv("PYTHONUNBUFFERED", "x")
    assert "PYTHONUNBUFFERED" not in output.environment(1)


def test_what_no_file_can_be_made_for_is_not_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It goes where it went without a file, and that is told."""
    (tmp_path / "file").touch()
    output = RoundOutput(OutputPlan(tmp_path, redirect=Selection(STDOUT)), range(1), tmp_path / "file" / "round-1")
    output.begin()
    assert output.streams == [(None, None)]
    assert output.tail(0) is None
    assert "goes to this node's own output" in caplog.text

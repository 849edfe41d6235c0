"""What `rdzv run` notes when its command fails, and what every node says at its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rdzv_core import RendezvousParameters, create_backend, create_handler
from rdzv_core._cli.node.decide import NodePhase
from rdzv_core._cli.node.events import Ended, Exit, Met, RoundChanged, Signalled
from rdzv_core._cli.node.failures import Failures, StderrFile
from rdzv_core._cli.watch.words import stderr_lines
from rdzv_core._handler import Change, ChangeReason
from rdzv_core._history import PURPOSE, Failure, History, note

Start = Callable[..., Any]


def test_every_node_says_at_its_end_who_failed_first(node: Start, rdzv: Start) -> None:
    """The one that failed, and the one that waited for it in vain; status and explain keep it."""
    fails = node("2", "sh", "-c", "kill -9 $$", node_id="b", join_timeout="5")
    waits = node("2", "sleep", "600", node_id="a", join_timeout="5")
    assert fails.ends()[0] == 128 + signal.SIGKILL
    assert waits.ends()[0] == 1
    for each in (fails, waits):
        said = [line for line in each.lines if "first failure: node b (" in line]
        assert len(said) == 1, each.lines
        assert "in round 1, was killed by SIGKILL at " in said[0]
    found = json.loads(rdzv("status", "--json").stdout)
    assert (found["last_failure"]["node_id"], found["last_failure"]["status"]) == ("b", -signal.SIGKILL)
    assert [(each["round"], each["size"]) for each in found["rounds"]] == [(1, 2)]
    for command in ("status", "explain"):
        assert "first failure: node b (" in rdzv(command).stdout


def test_a_run_that_ends_well_says_nothing_of_failures(node: Start, rdzv: Start) -> None:
    """Nothing failed, nothing is kept."""
    each = node("1", "true")
    assert each.ends()[0] == 0
    assert not any("failure" in line for line in each.lines)
    assert json.loads(rdzv("status", "--json").stdout)["last_failure"] is None


def test_the_last_lines_of_a_stderr_that_is_a_file_are_kept(tmp_path: Path) -> None:
    """Those of the command alone; --no-tail keeps none."""
    for flag, kept in (("--tail", "before\nat last"), ("--no-tail", "")):
        where = ["--backend", "file", "--endpoint", str(tmp_path / flag), "--run-id", "job"]
        run = [sys.executable, "-m", "rdzv_core", "run", *where, "--nodes", "1", flag]
        with (tmp_path / "log").open("w") as log:
            command = ["sh", "-c", "echo before >&2; echo at last >&2; exit 3"]
            subprocess.run([*run, "--", *command], stderr=log, check=False, timeout=60)
        look = [sys.executable, "-m", "rdzv_core", "status", *where, "--json"]
        found = json.loads(subprocess.run(look, capture_output=True, check=False, timeout=60).stdout)
        assert found["last_failure"]["stderr"] == kept


def test_what_a_command_wrote_does_nothing_to_a_terminal() -> None:
    """Escapes are shown as spaces, and of many lines the last ten."""
    wrote = "\n".join(f"{number} \x1b[2J" for number in range(20))
    lines = stderr_lines(Failure("a", "a", 1, 0, 1, 1.0, wrote))
    assert lines == [f"| {number}  [2J" for number in range(10, 20)]


def test_of_a_stderr_that_is_no_file_nothing_is_read() -> None:
    """A pipe, and none at all: reading would take the lines from their reader."""
    read, write = os.pipe()
    pipe = StderrFile(write)
    pipe.mark()
    os.write(write, b"line\n")
    assert pipe.tail() == ""
    os.close(read)
    os.close(write)
    assert StderrFile(write).tail() == ""


def test_of_a_long_stderr_whole_lines_are_kept(tmp_path: Path) -> None:
    """At most 2 KiB, from after the start of the command on."""
    with (tmp_path / "log").open("wb", buffering=0) as log:
        log.write(b"of before\n")
        file = StderrFile(log.fileno())
        file.mark()
        assert file.tail() == ""
        log.write(b"rdzv: not the command's\nline one\n")
        assert file.tail() == "line one"
        log.write(b"".join(b"line %d\n" % number for number in range(9999)))
        assert file.tail().endswith("line 9997\nline 9998")
        assert 1024 < len(file.tail()) <= 2048


class _Said(list[str]):
    def history(self, run_id: str) -> History:
        store = create_backend(RendezvousParameters("memory", "failures", run_id, 1, 1))
        try:
            return note(store.sibling(PURPOSE), "e1", lambda _: None)
        finally:
            store.close()


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        (Ended(-15, False), NodePhase.STOPPING),
        (Ended(-9, True), NodePhase.WORKING),
        (Ended(0, False), NodePhase.WORKING),
    ],
    ids=["stopped", "fenced", "ended-well"],
)
def test_a_command_that_was_stopped_is_no_failure(event: Ended, phase: NodePhase) -> None:
    """Neither is one that was killed as its lease had ended."""
    said = _Said()
    with create_handler(RendezvousParameters("memory", "failures", "stopped", 1, 1)) as handler:
        failures = Failures(handler, said.append)
        failures.see(Met(1, 0, 1, 0.0, {"RDZV_EPOCH": "e1"}), NodePhase.MEETING)
        failures.see(event, phase)
        failures.tell(Exit(1))
    assert said == []
    assert said.history("stopped").last_failure is None


def test_a_node_that_was_told_to_stop_says_nothing_of_a_failure_that_was_overcome() -> None:
    """A failure of an earlier round is not a reason for its end; one of this round may be."""
    said = _Said()
    with create_handler(RendezvousParameters("memory", "failures", "told", 1, 1, node_id="a")) as handler:
        failures = Failures(handler, said.append, tail=False)
        failures.see(Met(1, 1, 2, 0.0, {"RDZV_EPOCH": "e1"}), NodePhase.MEETING)
        failures.see(Ended(3, False), NodePhase.WORKING)
        failures.see(RoundChanged(1, Change(ChangeReason.ASKED, "x")), NodePhase.WORKING)
        failures.see(Met(2, 1, 2, 0.0, {"RDZV_EPOCH": "e1"}), NodePhase.MEETING)
        failures.see(Signalled(15), NodePhase.WORKING)
        failures.tell(Exit(143))
        assert said == []
        failures.see(Ended(4, False), NodePhase.WORKING)
        failures.tell(Exit(143))
    assert "in round 2, exited with status 4" in said[0]
    assert said[1].startswith("the run's first failure: ")


def test_a_store_that_is_gone_holds_up_no_end() -> None:
    """What cannot be noted or read is left out."""
    said = _Said()
    handler = create_handler(RendezvousParameters("memory", "failures", "gone", 1, 1))
    failures = Failures(handler, said.append)
    failures.see(Met(1, 0, 1, 0.0, {"RDZV_EPOCH": "e1"}), NodePhase.MEETING)
    handler.close()
    failures.see(Ended(3, False), NodePhase.WORKING)
    failures.tell(Exit(3))
    assert said == []

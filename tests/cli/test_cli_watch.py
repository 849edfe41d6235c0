"""`rdzv status --watch`: a run as it goes on, remembered purely, drawn for a terminal, said in lines in a pipe."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from rdzv_core.cli.watch.history import History
from rdzv_core.cli.watch.live import draw, span
from rdzv_core.inspection import RosterMember, RunStatus, Waiting

Start = Callable[..., Any]


def _status(phase: str, *roster: RosterMember, waiting: tuple[str, ...] = (), **more: Any) -> RunStatus:
    given = {"round": 1, "epoch": "e1", "min_nodes": 2, "max_nodes": 3, **more}
    return RunStatus("job", True, phase, roster=list(roster), waiting=[Waiting(n, f"at-{n}") for n in waiting], **given)


def _member(rank: int, node: str, present: bool = True, announced: bool = True, went: str = "") -> RosterMember:
    return RosterMember(rank, node, f"at-{node}", present, announced, went)


def _drawn(history: History, height: int = 40) -> str:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with console.file:
        assert history.frame is not None
        console.print(draw(history.frame, "tcp at here", height))
        return console.export_text()


def test_a_node_is_lost_since_it_was_seen_lost() -> None:
    """However often it is looked at since; who stays has the time since it began."""
    history = History()
    history.see(_status("working", _member(0, "a"), _member(1, "b")), 100.0)
    gone = _status("forming", _member(0, "a", announced=False), _member(1, "b", present=False, went="lost"))
    history.see(gone, 110.0)
    history.see(gone, 130.0)
    history.tick(135.0)
    drawn = _drawn(history)
    assert "is lost: its lease has ended   25 s" in drawn
    assert "forming round 2 of epoch e1: 1 of 2 to 3 nodes; 1 missing, for 25 s" in drawn


def test_who_said_goodbye_is_not_said_to_be_lost_later() -> None:
    """Where nobody is left to write it down its lease ends, but it was seen to leave."""
    history = History()
    history.see(_status("working", _member(0, "a", present=False, went="left")), 1.0)
    assert history.see(_status("working", _member(0, "a", present=False, went="lost")), 2.0) == []
    assert "has left" in _drawn(history)


def test_every_change_is_a_line_and_nothing_else_is() -> None:
    """A node that comes, changes, goes; the run's phase; not a look without news."""
    history = History()
    assert history.see(_status("forming", waiting=("a",), round=0), 1.0) == [
        "forming round 1 of epoch e1: 1 of 2 to 3 nodes; 1 missing",
        "a (at-a): waits",
    ]
    assert history.see(_status("forming", waiting=("a",), round=0), 2.0) == []
    assert history.see(_status("working", _member(0, "a"), _member(1, "b")), 3.0) == [
        "working in round 1 of epoch e1: 2 of 2 to 3 nodes",
        "a (rank 0, at-a): working",
        "b (rank 1, at-b): working",
    ]
    assert history.see(_status("working", _member(0, "a"), pending="LOST"), 4.0) == [
        "working in round 1 of epoch e1: 1 of 2 to 3 nodes; a new round is due: LOST",
        "a (rank 0, at-a): stopping",
        "b: no longer there",
    ]


def test_who_is_more_than_a_round_takes_stands_by() -> None:
    """Waiting and spare are told apart."""
    history = History()
    history.see(_status("working", _member(0, "a"), _member(1, "b"), waiting=("c", "d")), 1.0)
    assert history.frame is not None
    assert [row.state for row in history.frame.rows] == ["working", "working", "waits", "spare"]
    assert "3 of 2 to 3 nodes and 1 spare" in _drawn(history)


def test_a_node_that_comes_back_under_its_name_is_not_said_to_be_lost() -> None:
    """Its old membership has ended; that it asks with a new one is the news."""
    history = History()
    history.see(_status("forming", _member(0, "a", present=False, went="lost"), waiting=("a",)), 1.0)
    drawn = _drawn(history)
    assert "lost its lease, and asks again" in drawn
    assert drawn.count("at-a") == 1


def test_the_last_call_counts_down_from_when_it_was_seen() -> None:
    """By the viewer's own clock: an upper bound, and it says when it is over."""
    history = History()
    called = _status("last call", waiting=("a", "b"), round=0, last_call_timeout=30.0)
    history.see(called, 100.0)
    history.see(called, 110.0)
    assert "the last call ends in 20 s" in _drawn(history)
    history.tick(131.0)
    assert "the last call is over" in _drawn(history)


def test_a_store_that_fails_or_is_silent_is_said_and_the_last_look_stays() -> None:
    """Nobody takes an old picture for the present."""
    history = History()
    history.see(_status("working", _member(0, "a")), 100.0)
    assert history.trouble("connection refused", 101.0) == ["the store can not be read: connection refused"]
    assert history.trouble("connection refused", 104.0) == []
    drawn = _drawn(history)
    assert "at-a" in drawn
    assert "can not be read, for 3 s now" in drawn
    assert history.see(_status("working", _member(0, "a")), 105.0) == ["the store can be read again"]
    assert history.tick(110.0) == []
    assert history.tick(112.0) == ["the store does not answer"]
    assert "has not answered for 7 s" in _drawn(history)


def test_of_many_nodes_those_in_trouble_are_shown() -> None:
    """A thousand at work are counted; the one that is lost is seen."""
    history = History()
    members = [_member(rank, f"n{rank}") for rank in range(1000)]
    members[700] = _member(700, "n700", present=False, went="lost")
    history.see(_status("working", *members, min_nodes=900, max_nodes=1000), 1.0)
    drawn = _drawn(history, height=30)
    assert "n700" in drawn
    assert "and 982 more nodes" in drawn
    assert len(drawn.splitlines()) <= 30


def test_a_node_can_not_draw_with_its_name() -> None:
    """What it calls itself is shown as it is."""
    history = History()
    history.see(_status("working", _member(0, "[red]a[/red]")), 1.0)
    assert "[red]a[/red]" in _drawn(history)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """In the two largest units."""
    assert span(seconds) == text


def _watch(store: tuple[str, str], *flags: str, **how: Any) -> subprocess.Popen[str]:
    where = ["--backend", store[0], "--endpoint", store[1], "--run-id", "job"]
    return subprocess.Popen([sys.executable, "-m", "rdzv_core", "status", "--watch", *where, *flags], text=True, **how)


def test_a_watch_in_a_pipe_prints_the_life_of_a_run(
    store: tuple[str, str], node: Start, rdzv: Start, tmp_path: Any
) -> None:
    """From forming to the end: it ends by itself when the run is closed, with status 0."""
    first = node("2", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", node_id="a")
    while not json.loads(rdzv("status", "--json").stdout)["exists"]:
        assert first.process.poll() is None
    with _watch(store, stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        lines = [watch.stdout.readline() for _ in range(3)]
        assert lines[0].startswith("watching on ")
        assert "forming round 1 of epoch" in lines[1]
        assert "1 missing" in lines[1]
        assert lines[2].endswith("): waits\n")
        assert " a (" in lines[2]
        second = node("2", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", node_id="b")
        while "working" not in lines[-1]:
            lines.append(watch.stdout.readline())
        (tmp_path / "go").touch()
        rest = watch.stdout.read()
        assert watch.wait(60) == 0
    assert "closed after round 1" in rest
    assert [each.ends()[0] for each in (first, second)] == [0, 0]


def test_a_watch_can_be_json(store: tuple[str, str], node: Start) -> None:
    """One whole status a line, whenever it is another one; Ctrl-C ends it with status 0."""
    each = node("1", "sleep", "600", node_id="a")
    each.says("joined round 1 ")
    # A shell's background job ignores SIGINT, and so would what a test run in one starts.
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with _watch(store, "--json", stdout=subprocess.PIPE, **listen) as watch:
        assert watch.stdout is not None
        found = json.loads(watch.stdout.readline())
        assert set(found) == {field.name for field in dataclasses.fields(RunStatus)}
        assert (found["phase"], found["leader"]) == ("working", "a")
        each.process.terminate()
        while found["roster"][0]["present"]:
            found = json.loads(watch.stdout.readline())
        assert found["roster"][0]["went"] == "left"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 0


def test_a_watch_on_a_terminal_is_drawn(store: tuple[str, str], node: Start) -> None:
    """Names, ranks and states in a table that is drawn anew; Ctrl-C ends it."""
    each = node("1", "sleep", "600", node_id="worker-a")
    each.says("joined round 1 ")
    master, terminal = pty.openpty()
    with _watch(store, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as watch:
        os.close(terminal)
        shown, deadline = "", time.monotonic() + 30
        while "worker-a" not in shown or "works" not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([master], [], [], 0.5)[0]:
                shown += os.read(master, 65536).decode(errors="replace")
        watch.send_signal(signal.SIGINT)
        _drain(master, watch)
        assert watch.returncode == 0
    os.close(master)


def _drain(master: int, watch: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while watch.poll() is None and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                os.read(master, 65536)
            except OSError:  # Linux says so when the other side is gone
                watch.wait(10)


def test_a_watch_of_a_store_that_is_not_there_is_an_error_at_once(free_port: int) -> None:
    """Nobody watches a mistyped endpoint for an hour."""
    where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--option", "connect_timeout=1"]
    done = subprocess.run(
        [sys.executable, "-m", "rdzv_core", "status", "--watch", *where, "--run-id", "job"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("rdzv: error: ")

"""`rdzv status --watch`: a run as it goes on, remembered purely, drawn for a terminal, said in lines in a pipe."""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from rdzv_core._cli.status import headline
from rdzv_core._cli.watch.elide import elide
from rdzv_core._cli.watch.live import Picture
from rdzv_core._cli.watch.watched_run import WatchedRun, summary
from rdzv_core._cli.watch.words import span
from rdzv_core.inspection import RosterMember, RunStatus, WaitingNode

Start = Callable[..., Any]


def _status(phase: str, *roster: RosterMember, waiting: tuple[str, ...] = (), **more: Any) -> RunStatus:
    given = {"round": 1, "epoch": "e1", "min_nodes": 2, "max_nodes": 3, **more}
    return RunStatus(
        "job", True, phase, roster=list(roster), waiting=[WaitingNode(n, f"at-{n}") for n in waiting], **given
    )


def _member(rank: int, node: str, state: str = "working") -> RosterMember:
    return RosterMember(rank, node, f"at-{node}", state, state not in ("lost", "left", "done", "silent"))


def _drawn(history: WatchedRun, height: int = 40, width: int = 120) -> str:
    """What a window of this size shows, and no more: what does not fit fails."""
    console = Console(width=width, height=height, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with console.file:
        assert history.frame is not None
        console.print(Picture(history.frame, "run on tcp at here"))
        shown = console.export_text()
    lines = shown.splitlines()
    assert len(lines) <= height, shown
    assert max(map(len, lines)) <= width, shown
    return shown


def _said(shown: str) -> str:
    """Text that was folded, as one line."""
    return " ".join(shown.split())


def test_a_node_is_lost_since_it_was_seen_lost() -> None:
    """However often it is looked at since; who stays has the time since it began."""
    history = WatchedRun()
    history.see(_status("working", _member(0, "a"), _member(1, "b")), 100.0)
    gone = _status("forming", _member(0, "a", "joining"), _member(1, "b", "lost"), missing=1)
    history.see(gone, 110.0)
    history.see(gone, 130.0)
    history.tick(135.0)
    drawn = _drawn(history)
    assert "b     at-b     lost: its lease has ended  25 s" in drawn
    assert "forming round 2 of epoch e1: 1 joining, 1 lost, 1 missing (2 to 3 nodes), for 25 s" in drawn


def test_who_said_goodbye_is_not_said_to_be_lost_later() -> None:
    """Where nobody is left to write it down its lease ends, but it was seen to leave."""
    history = WatchedRun()
    history.see(_status("working", _member(0, "a", "left")), 1.0)
    assert history.see(_status("working", _member(0, "a", "lost")), 2.0) == []
    assert " left " in _drawn(history)


def test_every_change_is_a_line_and_nothing_else_is() -> None:
    """A node that comes, changes, goes; the run's phase; not a look without news."""
    history = WatchedRun()
    assert history.see(_status("forming", waiting=("a",), round=0, missing=1), 1.0) == [
        "forming round 1 of epoch e1: 1 joining, 1 missing (2 to 3 nodes)",
        "a (at-a): joining",
    ]
    assert history.see(_status("forming", waiting=("a",), round=0, missing=1), 2.0) == []
    assert history.see(_status("working", _member(0, "a"), _member(1, "b")), 3.0) == [
        "working in round 1 of epoch e1: 2 working (2 to 3 nodes)",
        "a (rank 0, at-a): working",
        "b (rank 1, at-b): working",
    ]
    assert history.see(_status("changing", _member(0, "a", "stopping"), pending="LOST", missing=1), 4.0) == [
        "changing from round 1 of epoch e1: 1 stopping, 1 missing (2 to 3 nodes); a new round is due: LOST",
        "a (rank 0, at-a): stopping",
        "b: no longer there",
    ]


def test_who_is_more_than_a_round_takes_stands_by() -> None:
    """Nodes that join the next round and nodes that stand by are told apart."""
    history = WatchedRun()
    waiting = [WaitingNode("c", "at-c"), WaitingNode("d", "at-d", "standing by")]
    history.see(dataclasses.replace(_status("working", _member(0, "a"), _member(1, "b")), waiting=waiting), 1.0)
    assert history.frame is not None
    assert [row.state for row in history.frame.rows] == ["working", "working", "joining", "standing by"]
    assert "2 working, 1 joining, 1 standing by (2 to 3 nodes)" in _drawn(history)


def test_a_node_that_comes_back_under_its_name_is_not_said_to_be_lost() -> None:
    """Its old membership has ended; that it asks with a new one is the news."""
    history = WatchedRun()
    history.see(_status("forming", _member(0, "a", "lost"), waiting=("a",)), 1.0)
    drawn = _drawn(history)
    assert "joining the next round" in drawn
    assert "lost" not in drawn
    assert drawn.count("at-a") == 1


def test_the_last_call_counts_down_from_when_it_was_seen() -> None:
    """By the viewer's own clock: an upper bound, and it says when it is over."""
    history = WatchedRun()
    called = _status("last call", waiting=("a", "b"), round=0, last_call_timeout=30.0)
    history.see(called, 100.0)
    history.see(called, 110.0)
    assert "the last call ends in 20 s" in _drawn(history)
    history.see(called, 131.0)
    assert "the last call is over" in _drawn(history)


def test_a_store_that_fails_or_is_silent_is_said_and_the_last_look_stays() -> None:
    """Nobody takes an old picture for the present."""
    history = WatchedRun()
    history.see(_status("working", _member(0, "a")), 100.0)
    assert history.trouble("connection refused", 101.0) == ["the store cannot be read: connection refused"]
    assert history.trouble("connection refused", 104.0) == []
    drawn = _drawn(history)
    assert "at-a" in drawn
    assert "cannot be read, for 3 s now; this is the last look, 4 s old: connection refused" in drawn
    assert history.see(_status("working", _member(0, "a")), 105.0) == ["the store can be read again"]
    assert history.tick(110.0) == []
    assert history.tick(112.0) == ["the store does not answer"]
    assert "has not answered for 7 s" in _drawn(history)


def test_of_many_nodes_those_in_trouble_are_shown() -> None:
    """A thousand at work are counted; the one that is lost is seen."""
    history = WatchedRun()
    members = [_member(rank, f"n{rank}") for rank in range(1000)]
    members[700] = _member(700, "n700", "lost")
    history.see(_status("working", *members, min_nodes=900, max_nodes=1000), 1.0)
    drawn = _drawn(history, height=30)
    assert "n700" in drawn
    assert "and 974 more nodes: 974 working" in drawn


LONG = "rack-12.datacenter-east.example.com"
WINDOWS = [(60, 20), (60, 10), (80, 24), (120, 40), (30, 8)]


def _long_names(nodes: int = 6, least: int = 7) -> RunStatus:
    """A run that waits for nodes, with names that fit no narrow window."""
    return RunStatus(
        "train",
        True,
        "forming",
        epoch="4a0da0aae0315fa5",
        min_nodes=least,
        max_nodes=least + 1,
        waiting=[WaitingNode(f"worker-{n}.{LONG}", f"worker-{n}.{LONG}") for n in range(nodes)],
        missing=least - nodes,
        reasons=[f"{least - nodes} of {least} nodes is missing"],
    )


@pytest.mark.parametrize(("width", "height"), WINDOWS)
@pytest.mark.parametrize("nodes", [6, 600])
def test_who_is_missing_is_seen_in_every_window(width: int, height: int, nodes: int) -> None:
    """However narrow or low it is and however long the names: the count, and all nodes or how many more there are."""
    history = WatchedRun()
    history.see(_long_names(nodes, nodes + 1), 1.0)
    drawn = _drawn(history, height, width)
    said = _said(drawn)
    assert f"{nodes} joining, 1 missing ({nodes + 1} to {nodes + 2} nodes)" in said
    assert f"1 of {nodes + 1} nodes is missing" in said
    rows = sum(line.lstrip().startswith("- ") for line in drawn.splitlines())
    more = nodes - rows
    assert not more or (f"and {more} more nodes: {more} joining" if rows else f"{more} nodes: {more} joining") in said


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_a_silent_store_is_seen_in_every_window(width: int, height: int) -> None:
    """Above the table, where nothing pushes it out."""
    history = WatchedRun()
    history.see(_long_names(), 100.0)
    history.tick(110.0)
    drawn = _said(_drawn(history, height, width))
    assert "the store has not answered for 10 s; this is the last look" in drawn
    assert drawn.index("last look") < drawn.index("forming")


def test_six_nodes_fit_a_window_of_twenty_lines() -> None:
    """A node takes a line: what all names have in common is said once, and what differs is seen."""
    history = WatchedRun()
    history.see(_long_names(), 1.0)
    drawn = _drawn(history, 20, 60)
    assert "node and address: worker-" in drawn
    assert [f"…{n}…" in drawn for n in range(6)] == [True] * 6
    assert "more nodes:" not in drawn


def test_no_counter_goes_on_while_the_store_is_silent() -> None:
    """Times are those of the last look, for a store that is silent and for one that fails."""
    history = WatchedRun()
    history.see(_long_names(), 100.0)
    history.see(_long_names(), 120.0)
    history.tick(150.0)
    drawn = _said(_drawn(history))
    assert "1 missing (7 to 8 nodes), for 20 s" in drawn
    assert "not answered for 30 s" in drawn
    assert "50 s" not in drawn
    history.trouble("connection refused", 160.0)
    history.tick(170.0)
    drawn = _said(_drawn(history))
    assert "1 missing (7 to 8 nodes), for 20 s" in drawn
    assert "for 10 s now; this is the last look, 50 s old" in drawn
    assert "1 min" not in drawn


def test_a_long_error_leaves_room_for_the_rest() -> None:
    """Of an error that would fill the window the beginning is shown."""
    history = WatchedRun()
    history.see(_long_names(), 100.0)
    history.trouble("no route to host " * 200, 101.0)
    said = _said(_drawn(history, 20, 60))
    assert "no route to host" in said
    assert "1 of 7 nodes is missing" in said
    assert "…5…" in said or "more nodes: " in said


def test_the_lost_are_shown_before_those_that_ask() -> None:
    """Where not all fit, those who went come before the many that wait for them; the rest is counted by state."""
    history = WatchedRun()
    members = [_member(rank, f"n{rank}", "joining") for rank in range(100)]
    members[70] = _member(70, "n70", "lost")
    history.see(_status("forming", *members, min_nodes=100, max_nodes=100), 1.0)
    drawn = _drawn(history, 10, 60)
    assert "n70" in drawn
    assert "more nodes: " in drawn
    assert drawn.rstrip().endswith(" joining")


def test_a_reason_is_not_hidden_by_a_node_with_a_short_name() -> None:
    """A node `1` does not hide that 1 more must join; a reason that is about a node in the table is not repeated."""
    history = WatchedRun()
    reasons = ["1 more of at least 2 nodes must join for round 2", "b (at-b) was lost: its lease has ended"]
    roster = (_member(0, "1", "joining"), _member(1, "b", "lost"))
    history.see(_status("forming", *roster, reasons=reasons), 1.0)
    drawn = _drawn(history)
    assert "1 more of at least 2 nodes must join" in drawn
    assert "is lost" not in drawn
    assert drawn.count("its lease has ended") == 1


def test_many_reasons_are_counted() -> None:
    """Where not all fit the table still has its place."""
    history = WatchedRun()
    reasons = [f"awaited: x{n} (at-x{n}) is in a round that this run's register does not know" for n in range(50)]
    history.see(_status("forming", _member(0, "a", "joining"), reasons=reasons), 1.0)
    drawn = _drawn(history, 20, 60)
    assert "x0 (at-x0)" in drawn
    assert "more reasons" in drawn
    assert "at-a" in drawn


def test_a_name_of_many_lines_or_with_control_characters_takes_one_line() -> None:
    """Neither moves the cursor; wide characters are counted as wide."""
    history = WatchedRun()
    history.see(_status("working", _member(0, "a\n\n\x1b[2Jb"), _member(1, "節" * 50)), 1.0)
    console = Console(width=60, height=6, force_terminal=True, color_system=None, record=True, file=io.StringIO())
    assert history.frame is not None
    console.print(Picture(history.frame, "run on tcp at here"))
    shown = console.export_text()
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 6
    assert max(map(cell_len, shown.splitlines())) <= 60


@pytest.mark.parametrize("phase", ["forming", "last call", "working", "changing", "idle", "finished", "closed"])
def test_status_and_watch_name_the_same_round(phase: str) -> None:
    """A round that forms is the one after the last, in both; one that was is the last."""
    history = WatchedRun()
    status = _status(phase, round=4)
    history.see(status, 1.0)
    assert history.frame is not None
    stand = summary(history.frame).split(":")[0]
    assert stand in headline(status, "tcp at 'here'")
    assert ("round 5" if phase in ("forming", "last call") else "round 4") in stand


def test_a_watch_of_a_run_that_is_not_there_says_so_and_what_to_check(tmp_path: Any) -> None:
    """At once, with the place where it looked, and that it waits."""
    where = ("file", str(tmp_path / "none"))
    with _watch(where, stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        lines = [watch.stdout.readline() for _ in range(2)]
        watch.kill()
    assert lines[0] == f"watching run 'job' on file at {where[1]!r}\n"
    assert lines[1][9:] == "no such run: check --run-id and --endpoint; it appears when its first node joins; waiting\n"


def test_a_watch_of_a_run_that_is_not_there_is_seen_to_wait(tmp_path: Any) -> None:
    """On a terminal of eight lines: where it looks, what to check, and for how long it has waited."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 60, 0, 0))
    with _watch(
        ("file", str(tmp_path / "none")), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as watch:
        os.close(terminal)
        shown = _until(master, watch, lambda shown: "for 1 s" in _said(shown))
        watch.send_signal(signal.SIGINT)
        _drain(master, watch)
        assert watch.returncode == 0
    os.close(master)
    assert "no such run: check --run-id and --endpoint" in _said(shown)


def test_a_node_cannot_draw_with_its_name() -> None:
    """What it calls itself is shown as it is."""
    history = WatchedRun()
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
        assert lines[0].startswith("watching run 'job' on ")
        assert "forming round 1 of epoch" in lines[1]
        assert "1 missing" in lines[1]
        assert lines[2].endswith("): joining\n")
        assert " a (" in lines[2]
        second = node("2", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", node_id="b")
        while "working" not in lines[-1]:
            lines.append(watch.stdout.readline())
        (tmp_path / "go").touch()
        rest = watch.stdout.read()
        assert watch.wait(60) == 0
    assert "finished after round 1" in rest
    assert [each.ends()[0] for each in (first, second)] == [0, 0]


def test_a_watch_can_be_json(store: tuple[str, str], node: Start) -> None:
    """One whole status a line, whenever it is another one; Ctrl-C ends it with status 0."""
    each = node("1", "sleep", "600", node_id="a")
    each.says("joined round 1 ")
    with _watch(store, "--json", stdout=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        found = json.loads(watch.stdout.readline())
        assert set(found) == {field.name for field in dataclasses.fields(RunStatus)}
        assert (found["phase"], found["leader"]) == ("working", "a")
        each.process.terminate()
        while found["roster"][0]["present"]:
            found = json.loads(watch.stdout.readline())
        assert found["roster"][0]["state"] == "left"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 0


def test_a_watch_on_a_terminal_is_drawn(store: tuple[str, str], node: Start) -> None:
    """Names, ranks and states in a table that is drawn again; Ctrl-C ends it."""
    each = node("1", "sleep", "600", node_id="worker-a")
    each.says("joined round 1 ")
    master, terminal = pty.openpty()
    with _watch(store, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as watch:
        os.close(terminal)
        _until(master, watch, lambda shown: "worker-a" in shown and "working" in shown)
        watch.send_signal(signal.SIGINT)
        _drain(master, watch)
        assert watch.returncode == 0
    os.close(master)


def _until(master: int, watch: subprocess.Popen[str], enough: Callable[[str], bool]) -> str:
    """Read a terminal until it has shown enough; where it does not, the watch is killed."""
    shown, deadline = "", time.monotonic() + 30
    while not enough(shown):
        if time.monotonic() > deadline:
            watch.kill()
            pytest.fail(f"not within 30 s: {shown}")
        if _can_be_read(master, 0.5):
            shown += os.read(master, 65536).decode(errors="replace")
    return shown


def _can_be_read(master: int, timeout: float) -> bool:
    news = select.poll()
    news.register(master, select.POLLIN)
    return bool(news.poll(timeout * 1000))


def _drain(master: int, watch: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while watch.poll() is None and time.monotonic() < deadline:
        if _can_be_read(master, 0.1):
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


HOSTS = [f"gpu-host-rack12-{number:03}.cluster.example.com" for number in range(60)]


def test_sixty_hosts_with_long_names_are_told_apart_in_a_window_of_eighty_columns() -> None:
    """What they have in common is said once above the table; of no row the part is cut that differs."""
    history = WatchedRun()
    members = [RosterMember(rank, host, host, "working", True) for rank, host in enumerate(HOSTS)]
    history.see(_status("working", *members, min_nodes=60, max_nodes=60), 1.0)
    drawn = _drawn(history, 70, 80)
    assert "node and address: gpu-host-rack12-….cluster.example.com" in drawn
    rows = [line.split() for line in drawn.splitlines() if line.split()[0].isdigit()]
    assert [row[1] for row in rows] == [f"…{number:03}…" for number in range(60)]
    assert [row[2] for row in rows] == [f"…{number:03}…" for number in range(60)]


@pytest.mark.parametrize(
    ("names", "common", "cut"),
    [
        (["a", "b"], "", ["a", "b"]),
        (["same-name", "same-name"], "", ["same-name", "same-name"]),
        (["worker-10", "worker-11"], "worker-…", ["…10", "…11"]),
        (["a.example.com", "b.example.com"], "….example.com", ["a…", "b…"]),
        (["host-1.x", "host-2.x", "login"], "host-…", ["…1.x", "…2.x", "login"]),
        (["node1", "node11"], "node…", ["…1", "…11"]),
    ],
)
def test_names_are_cut_where_they_are_alike(names: list[str], common: str, cut: list[str]) -> None:
    """Never inside a number, and a name of another make stays whole."""
    assert elide(names) == (common, cut)


def test_a_watch_on_a_terminal_that_cannot_be_drawn_on_prints_lines(store: tuple[str, str], node: Start) -> None:
    """With TERM=dumb: a line for each change, not an empty screen."""
    each = node("1", "sleep", "600", node_id="worker-a")
    each.says("joined round 1 ")
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "dumb"}
    with _watch(
        store, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, env=environment
    ) as watch:
        os.close(terminal)
        shown = _until(master, watch, lambda shown: "worker-a" in shown)
        watch.send_signal(signal.SIGINT)
        _drain(master, watch)
        assert watch.returncode == 0
    os.close(master)
    assert shown.startswith("watching run 'job'")
    assert "\x1b" not in shown
    assert "worker-a (rank 0, " in shown

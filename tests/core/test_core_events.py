"""The listeners of events and the bus between: a file that fails costs its own events, and a line or two of log."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rdzv_core._listeners.bus import EventBus
from rdzv_core._listeners.chosen import listeners
from rdzv_core.events import Joining
from rdzv_core.hooks import Hooks, hookimpl

EVENT = Joining("run", "node", time=1.5)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Flaky:
    """A listener whose next calls go as they are told to: an error is raised."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes = list(outcomes)

    def __repr__(self) -> str:
        return "<Flaky>"

    @hookimpl
    def rdzv_event(self, event: Any) -> None:
        if (outcome := self._outcomes.pop(0)) is not None:
            raise outcome

    def close(self) -> None:
        """Hold nothing."""


def _logged(caplog: pytest.LogCaptureFixture, *outcomes: Exception | None) -> list[str]:
    bus = EventBus(Hooks(load_installed=False), [Flaky(*outcomes)])
    for _ in outcomes:
        bus.tell(EVENT)
    bus.close()
    return [record.getMessage() for record in caplog.records]


def test_a_listener_that_fails_is_told_of_once_until_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """Then with how many events it missed; a second failure is logged again, and counted to the end."""
    fails = "the listener <Flaky> fails and misses events; everything else goes on: [Errno 28] No space left on device"
    assert _logged(caplog, None, FULL, FULL, None, None, FULL) == [
        fails,
        "the listener <Flaky> works again: it missed 2 events",
        fails,
        "the listener <Flaky> is closed: it missed 1 event",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_listener_with_a_bug_shows_where(caplog: pytest.LogCaptureFixture) -> None:
    """What is not a failure of the system comes with its traceback, once."""
    _logged(caplog, KeyError("bug"), KeyError("bug"), None)
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]


def test_a_listener_that_works_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Neither when it works nor when it is closed."""
    assert _logged(caplog, None, None) == []


def test_a_file_of_events_shows_its_path(tmp_path: Path) -> None:
    """So that a log can name it."""
    (file,) = listeners(str(tmp_path / "events"))
    assert repr(file) == f"<JsonLines '{tmp_path}/events'>"
    file.close()


def test_a_pipe_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    """At once, instead of waiting for a reader without a word."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=f"'{tmp_path}/pipe': nobody reads this pipe; start its reader first"):
        listeners(str(tmp_path / "pipe"))


def test_a_pipe_with_a_reader_gets_the_events(tmp_path: Path) -> None:
    """And who writes to it waits for a slow reader, as a pipe has it."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    (file,) = listeners(str(tmp_path / "pipe"))
    file.rdzv_event(EVENT)
    assert json.loads(os.read(reader, 4096))["event"] == "joining"
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        file.rdzv_event(EVENT)
    file.close()


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up takes a part of a line: that event is lost, and the next one begins a line of its own."""
    (file,) = listeners(str(tmp_path / "events"))
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        with pytest.raises(OSError, match="only 7 of "):
            file.rdzv_event(EVENT)
    file.rdzv_event(EVENT)
    file.rdzv_event(EVENT)
    file.close()
    torn, *whole = (tmp_path / "events").read_text().splitlines()
    assert torn == '{"event'
    assert [json.loads(line)["event"] for line in whole] == ["joining", "joining"]


def test_the_built_in_listeners_are_plugins_like_any_other(tmp_path: Path) -> None:
    """A hook wrapper goes around them too; where a handler is closed they are released, and other plugins stay."""
    told: list[str] = []

    class Around:
        @hookimpl(wrapper=True)
        def rdzv_event(self, event: Any) -> Any:
            told.append((tmp_path / "events").read_text())
            result = yield
            told.append((tmp_path / "events").read_text())
            return result

    hooks = Hooks(load_installed=False)
    hooks.register(Around())
    bus = EventBus(hooks, listeners(str(tmp_path / "events")))
    bus.tell(EVENT)
    bus.close()

    before, after = told
    assert ("", "joining") == (before, json.loads(after)["event"])
    assert hooks.listening


def test_a_listener_of_one_handler_hears_nothing_of_another(tmp_path: Path) -> None:
    """Handlers may share their hooks; a listener that an option chose is of its handler alone."""
    hooks = Hooks(load_installed=False)
    one, other = EventBus(hooks, listeners(str(tmp_path / "events"))), EventBus(hooks)
    other.tell(EVENT)
    one.close()
    other.close()

    assert "" == (tmp_path / "events").read_text()
    assert (True, False) == (one.listening, other.listening)

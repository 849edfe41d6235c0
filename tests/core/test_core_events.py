"""The listeners of events and the bus between: a file that fails costs its own events, and a line or two of log."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rdzv_core.events import EventBus, Joining, listeners

EVENT = Joining("run", "node", time=1.5)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class NoPlugins:
    """Plugins of which none listens."""

    listening = False

    def event(self, event: Any) -> None:
        """Tell nobody."""


class Flaky:
    """A listener whose next calls go as they are told to: an error is raised."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes = list(outcomes)

    def __repr__(self) -> str:
        return "<Flaky>"

    def hear(self, event: Any) -> None:
        if (outcome := self._outcomes.pop(0)) is not None:
            raise outcome

    def close(self) -> None:
        """Hold nothing."""


def _logged(caplog: pytest.LogCaptureFixture, *outcomes: Exception | None) -> list[str]:
    bus = EventBus(NoPlugins(), [Flaky(*outcomes)])
    for _ in outcomes:
        bus.tell(EVENT)
    bus.close()
    return [record.getMessage() for record in caplog.records]


def test_a_listener_that_fails_is_told_of_once_until_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    """Then with how many events were lost; a second failure is told anew, and counted to the end."""
    fails = "<Flaky> loses events, all else goes on: [Errno 28] No space left on device"
    assert _logged(caplog, None, FULL, FULL, None, None, FULL) == [
        fails,
        "<Flaky> works again: 2 events were lost",
        fails,
        "<Flaky> is closed: 1 event was lost",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_listener_with_a_bug_shows_where(caplog: pytest.LogCaptureFixture) -> None:
    """What is no failure of the system comes with its traceback, once."""
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
    file.hear(EVENT)
    assert json.loads(os.read(reader, 4096))["event"] == "joining"
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        file.hear(EVENT)
    file.close()


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up takes a part of a line: that event is lost, and the next one begins a line of its own."""
    (file,) = listeners(str(tmp_path / "events"))
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        with pytest.raises(OSError, match="only 7 of "):
            file.hear(EVENT)
    file.hear(EVENT)
    file.hear(EVENT)
    file.close()
    torn, *whole = (tmp_path / "events").read_text().splitlines()
    assert torn == '{"event'
    assert [json.loads(line)["event"] for line in whole] == ["joining", "joining"]

"""Workers: blocking calls, each reported however it ends."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rdzv_core import RendezvousError
from rdzv_core._handler.operations import Operation, ReadHead
from rdzv_core._handler.workers import Workers

PATIENCE = 10.0


class Work:
    """Workers that do what the test says, and who did it and what it gave."""

    def __init__(self) -> None:
        self.act: Callable[[], Any] = lambda: None
        self.reports: queue.SimpleQueue[tuple[Any, Exception | None, threading.Thread]] = queue.SimpleQueue()
        self.workers = Workers(lambda operation: self.act(), self._report, "test")

    def _report(self, operation: Operation, result: Any, error: Exception | None) -> None:
        self.reports.put((result, error, threading.current_thread()))

    def do(self, act: Callable[[], Any]) -> tuple[Any, Exception | None, threading.Thread]:
        self.act = act
        self.workers.start(ReadHead(0.0))
        return self.reports.get(timeout=PATIENCE)


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.workers.close()
    work.workers.join(PATIENCE)


def _raise(error: BaseException) -> Any:
    raise error


def test_an_error_is_reported_as_it_is_and_the_thread_works_on(work: Work) -> None:
    """An idle thread is used again."""
    error = OSError("no")
    _, failure, first = work.do(lambda: _raise(error))
    assert failure is error
    assert work.do(lambda: "it") == ("it", None, first)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_a_thread_is_reported_as_an_error_that_ends_nobody(error: BaseException, work: Work) -> None:
    """Raised to a caller it would cancel its task or end its process, which a backend did not mean to do."""
    _, failure, first = work.do(lambda: _raise(error))
    assert isinstance(failure, RendezvousError)
    assert str(failure) == f"ReadHead failed: the backend raised {error!r} on a thread of rdzv-core"
    assert failure.__cause__ is error
    assert work.do(lambda: "it") == ("it", None, first)

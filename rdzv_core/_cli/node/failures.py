"""What `rdzv run` notes of failures and rounds, and prints when a node ends. Best effort, in bounded time.

Of the failures of a round the first one in the store counts: the other commands often fail because of it.
"""

from __future__ import annotations

import os
import queue
import re
import stat
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rdzv_core._cli.node.decide import NodePhase
from rdzv_core._cli.node.events import Ended, Exit, Met, NodeEvent, OneFailed, RoundChanged, Signalled
from rdzv_core._cli.node.signals import ENDING
from rdzv_core._cli.watch.words import failure_text, stderr_lines
from rdzv_core._handler import RendezvousHandler
from rdzv_core._history import MOST_STDERR_BYTES, PURPOSE, Failure, History, PastRound, note

_SECONDS = 1.0
"""How long the end of the command, or of the node, may be delayed by this."""

_OF_RDZV = re.compile(r"rdzv( \d\d:\d\d:\d\d [^:]*)?: ")
"""How a line begins that this node has printed itself."""

T = TypeVar("T")


class Failures:
    """Sees the events of a node before it acts on them; notes that its command failed, and of rank 0 the rounds.

    `tail` has the last lines of the command's stderr kept, where that is a file: what is written to a terminal or a
    pipe could be read only by standing between the command and its reader.
    """

    def __init__(self, handler: RendezvousHandler, say: Callable[[str], None], tail: bool = True) -> None:
        self._handler, self._say = handler, say
        self._stderr = StderrFile() if tail else None
        self.written: Callable[[int], str | None] = lambda _: None
        """Returns the last that the worker of a rank wrote to stderr, where this node keeps that."""
        self._met: Met | None = None
        self._why = ""
        self._told_to_stop = False

    def see(self, event: NodeEvent, phase: NodePhase) -> None:
        """Take in what has happened to a node in this phase. Raises nothing."""
        if isinstance(event, Met):
            self._met = event
            if self._stderr is not None:
                self._stderr.mark()
            if event.rank == 0:
                past = PastRound(event.round, event.world_size, time.time(), self._why)
                self._note(lambda history: history.formed(past), wait=0.0)
        elif isinstance(event, RoundChanged):
            self._why = str(event.change)
        elif isinstance(event, Signalled) and event.number in ENDING:
            self._told_to_stop = True
        elif isinstance(event, (Ended, OneFailed)) and phase is NodePhase.WORKING and self._is_failure(event):
            self._failed(event.status, event.rank)

    def tell(self, end: Exit) -> None:
        """Print which failure came first, when a node does not end well. Raises nothing."""
        met = self._met
        if met is None or (end.error is None and end.status == 0):
            return
        history = self._note(lambda _: None, wait=_SECONDS)
        failure = history.last_failure if history is not None else None
        if history is None or failure is None or (self._told_to_stop and failure.round != met.round):
            return
        self._say(f"run {self._handler.get_run_id()!r}: first failure: {failure_text(failure)}")
        if failure.node_id != self._handler.settings.node_id:
            for line in stderr_lines(failure):
                self._say(line)
        first = history.first_failure
        if first is not None and first.round != failure.round:
            self._say(f"the run's first failure: {failure_text(first)}; another round formed since")

    def _is_failure(self, event: Ended | OneFailed) -> bool:
        if isinstance(event, OneFailed):
            return self._met is not None and self._met.round == event.round
        return event.status != 0 and not event.fenced

    def _failed(self, status: int, rank: int | None) -> None:
        met, settings = self._met, self._handler.settings
        if met is None:
            return
        rank = met.rank if rank is None else rank
        tail = "" if self._stderr is None else self._tail(rank, self._stderr)
        failure = Failure(settings.node_id, settings.address, met.round, rank, status, time.time(), tail)
        self._why = f"ASKED: {failure_text(failure)}"
        self._note(lambda history: history.failed(failure), wait=_SECONDS)

    def _tail(self, rank: int, inherited: StderrFile) -> str:
        written = self.written(rank)
        return inherited.tail() if written is None else written

    def _note(self, change: Callable[[History], History | None], wait: float) -> History | None:
        epoch = self._met.environment.get("RDZV_EPOCH", "") if self._met else ""

        def write() -> History:
            register = self._handler.sibling(PURPOSE)
            try:
                return note(register, epoch, change)
            finally:
                register.close()

        return _within(wait, write)


class StderrFile:
    """The file that stderr is, if it is one, from `mark` on."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._start: int | None = None

    def mark(self) -> None:
        """Begin here."""
        self._start = self._size()

    def tail(self) -> str:
        """Return the last lines that were written since, without those of rdzv; empty where stderr is no file."""
        start, end = self._start, self._size()
        if start is None or end is None or end <= start:
            return ""
        try:
            file = os.open(f"/dev/fd/{self._descriptor}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            begin = max(start, end - 2 * MOST_STDERR_BYTES)
            raw = os.pread(file, end - begin, begin)
        except OSError:
            return ""
        finally:
            os.close(file)
        lines = raw.decode("utf-8", "replace").splitlines()[1 if begin > start else 0 :]
        return "\n".join(line for line in lines if not _OF_RDZV.match(line))[-MOST_STDERR_BYTES:]

    def _size(self) -> int | None:
        try:
            found = os.fstat(self._descriptor)
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None


def _within(seconds: float, act: Callable[[], T]) -> T | None:
    """Return what `act` returns; None if it fails, or takes longer: it then continues in the background."""
    done: queue.SimpleQueue[T | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(act())
        except Exception:  # noqa: BLE001 - what cannot be noted or read is left out
            done.put(None)

    try:
        threading.Thread(target=run, name="rdzv-history", daemon=True).start()
        return done.get(timeout=seconds) if seconds else None
    except (queue.Empty, RuntimeError):
        return None

"""The leak detector: threads, file descriptors, processes, temp files and keys that a test leaves when all was closed.

What a test leaves once may belong to a library that made it at its first use and keeps it. A pool that instances share
fills up over a few tests: another instance of this process, the anchor, keeps it open. So a test that left something is
run again, up to three times: what each run leaves is the backend's, and is reported under its clause with the test's
name.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rdzv_conformance.harness.expect import Blamed, ClauseFailed
from rdzv_conformance.harness.leaks.holdings import Holdings, kind_of

if TYPE_CHECKING:
    from rdzv_conformance.harness.backend_under_test import BackendUnderTest

HELD, KEYS = "RDZV-LIFE-4", "RDZV-LIFE-6"
"""The clauses about what a process holds, and about what a store does."""

SETTLE = 5.0
"""Seconds, times the pace, before something is called left: nothing on a sound backend, where it is gone at once."""
SETTLE_FIRST = 1.0
"""The same in all runs of a test but the second: what that one leaves has had its time."""
AGAIN = 3
"""How often a test that left something is run again, as long as it does."""
SETTLE_KNOWN = 0.3
"""The same for what this backend was found to leave already."""
NAMED = 5


class Leaked(Blamed):
    """A test left something; `own` is how the test itself ended (None: it passed)."""

    def __init__(self, test: str, left: Sequence[str], own: BaseException | None) -> None:
        self.left: tuple[str, ...] = tuple(left)
        self.own = own
        told = "; ".join(message_of(test, texts) for _, texts in by_its_clause(self.left))
        said = f"{own}\nand " if isinstance(own, ClauseFailed) else ""
        super().__init__(f"{said}{told}", tuple(number for number, _ in by_its_clause(self.left)))


def message_of(test: str, left: Sequence[str]) -> str:
    """Return the message about what a test left."""
    named = [*left[:NAMED], *([f"and {len(left) - NAMED} more"] if len(left) > NAMED else [])]
    return f"{test} left behind, though all was closed: {', '.join(named)}"


def by_its_clause(left: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Sort what was left by the clause that forbids it."""
    keys = [text for text in left if text.startswith("key ")]
    held = [text for text in left if not text.startswith("key ")]
    return [(number, texts) for number, texts in ((HELD, held), (KEYS, keys)) if texts]


class LeakDetector:
    """Checks every test of this process. Thread-safe; tests that run at the same time are not checked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._meetings = 0
        self._known: set[str] = set()
        self._directory: str | None = None
        self._before: tuple[str | None, str | None] = (None, None)
        self._threads: list[threading.Thread] = []

    def live_in(self, directory: str) -> None:
        """Count in this directory, which is this process's own, instead of making one."""
        self._directory = directory

    def count(self, name: str, under_test: BackendUnderTest, run: Callable[[BackendUnderTest], None]) -> None:
        """Run a test on its backend; raises what it raises, or `Leaked`."""
        with self._among_others() as alone:
            error, left = self._once(under_test, run, alone, SETTLE_FIRST)
            for number in range(AGAIN):
                if all(_kind(text) in self._known for text in left):
                    break
                again = under_test.another()
                later, more = self._once(again, run, alone, SETTLE_FIRST if number else SETTLE)
                repeated = {_kind(text) for text in more}
                left = [text for text in left if _kind(text) in self._known | repeated]
                error = later if error is None and isinstance(later, ClauseFailed) else error
            self._known |= {_kind(text) for text in left}
        if left:
            self._note_threads(left)
            raise Leaked(name, left, error) from error
        if error is not None:
            raise error

    def lasting_threads(self) -> list[str]:
        """Return the names of threads that a backend left and that would keep the interpreter from exiting."""
        return [each.name for each in self._threads if each.is_alive() and not each.daemon]

    def _once(
        self,
        under_test: BackendUnderTest,
        run: Callable[[BackendUnderTest], None],
        alone: Callable[[], bool],
        settle: float,
    ) -> tuple[BaseException | None, list[str]]:
        before = Holdings.now() if alone() else None
        error: BaseException | None = None
        try:
            run(under_test)
        except KeyboardInterrupt:
            raise  # from the terminal: a backend's own is a finding by now
        except BaseException as raised:  # noqa: BLE001 - handed to the caller
            error = raised
        under_test.calls.forget_errors()  # their frames hold what was about to be closed
        if before is None or not alone():
            return error, []
        left = before.left_over(0.0)
        if left:
            known = all(_kind(text) in self._known for text in left)
            left = before.left_over(SETTLE_KNOWN if known else settle * under_test.target.pace)
        # A call that has not returned holds what it holds: that is told as the call.
        return error, [*left, *under_test.keys_left()] if alone() and not under_test.calls.under_way() else []

    @contextmanager
    def _among_others(self) -> Iterator[Callable[[], bool]]:
        """Count the tests that run; yield a function that returns whether this one has been alone all the time."""
        with self._lock:
            self._running += 1
            self._meetings += self._running > 1
            met = self._meetings
            if self._running == 1:
                self._before = self._move_in()
        try:
            yield lambda: self._running == 1 and self._meetings == met
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    _use_temp_dir(*self._before)

    def _move_in(self) -> tuple[str | None, str | None]:
        """Make a directory of this process's own the one for temp files: everybody's is not to be counted in."""
        before = tempfile.tempdir, os.environ.get("TMPDIR")
        if self._directory is None or not os.path.isdir(self._directory):  # noqa: PTH112 - asked at every test
            self._directory = tempfile.mkdtemp(prefix="rdzv-conformance-")
            atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        _use_temp_dir(self._directory, self._directory)
        return before

    def _note_threads(self, left: Sequence[str]) -> None:
        names = {text.removeprefix("thread ") for text in left}
        self._threads += [each for each in threading.enumerate() if f"{each.name} ({each.ident})" in names]


def _use_temp_dir(directory: str | None, variable: str | None) -> None:
    tempfile.tempdir = directory
    if variable is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = variable


def _kind(text: str) -> str:
    return "key" if text.startswith("key ") else kind_of(text)


LEAK_DETECTOR = LeakDetector()
"""The one of this process: what is left is left in all of it."""

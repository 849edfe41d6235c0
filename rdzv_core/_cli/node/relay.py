"""What workers write, line by line: from their pipes to files and to this process's own stdout or stderr."""

from __future__ import annotations

import logging
import os
import select
import threading
from pathlib import Path

from rdzv_core._cli.stderr import write_all
from rdzv_core._history import MOST_STDERR_BYTES

log = logging.getLogger("rdzv")

_CHUNK = 65536
_LONGEST_LINE = 65536
"""Bytes after which a line without an end is written in parts."""
_LINE_ENDS = (b"\n", b"\r")


class Source:
    """One worker's stream: a pipe that it writes to, and where that goes.

    Each line for the console gets `prefix`. A carriage return ends a line too, as of a progress bar.
    """

    def __init__(self, prefix: str, file: Path | None) -> None:
        """Make the pipe, and the file where there is one; raises `OSError`."""
        self._file = None if file is None else open_log(file)
        self._prefix, self._path = prefix.encode(), file
        self._line = b""
        self._in_parts = False
        """Whether the line that is being shown has not ended yet."""
        self.last = b""
        """The last bytes that came, to show what a worker said before it failed."""
        self.over = threading.Event()
        """Set when all has come."""
        self.readable, self.writable = os.pipe()

    def take(self) -> bytes | None:
        """Read what is there; return the whole lines for the console, None at the end."""
        chunk = os.read(self.readable, _CHUNK)
        if not chunk:
            return None
        self.last = (self.last + chunk)[-2 * MOST_STDERR_BYTES :]
        if self._file is not None and not write_all(self._file, chunk):
            log.warning("cannot write %s: is the disk full? What comes from now on is not in it", self._path)
            self._close_file()
        self._line += chunk
        # A carriage return at the very end may be half of a line's end.
        end = 1 + max(self._line.rfind(b"\n"), self._line.rfind(b"\r", 0, len(self._line) - 1))
        if len(self._line) > _LONGEST_LINE:
            end = len(self._line)
        whole, self._line = self._line[:end], self._line[end:]
        if whole:
            self._in_parts = not whole.endswith(_LINE_ENDS)
        return self._prefixed(whole)

    def end(self) -> bytes:
        """Release all; return what is left for the console, with a line's end."""
        rest, self._line = self._line, b""
        self._close_file()
        os.close(self.readable)
        if not rest:
            return b"\n" if self._in_parts else b""
        return self._prefixed(rest if rest.endswith(_LINE_ENDS) else rest + b"\n")

    def _prefixed(self, lines: bytes) -> bytes:
        if not self._prefix:
            return lines
        return b"".join(self._prefix + line for line in lines.splitlines(keepends=True))

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Relay:
    """Copies what comes from several sources to one descriptor, on a thread of its own, until the last one has ended.

    A console that does not read holds up the workers, as it does if they write to it themselves; one that is gone
    holds up nobody.
    """

    def __init__(self, console: int) -> None:
        self._console: int | None = console
        self.sources: list[Source] = []
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, once the workers have been started or could not be; does nothing without a source."""
        for source in self.sources:
            os.close(source.writable)
        if self.sources:
            self._thread = threading.Thread(target=self._run, name="rdzv output", daemon=True)
            self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until all has been written, `seconds` at most: what a worker left behind elsewhere may still write."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        news, left = select.poll(), {source.readable: source for source in self.sources}
        for readable in left:
            news.register(readable, select.POLLIN)
        while left:
            for readable, _ in news.poll():
                source = left[readable]
                lines = source.take()
                if lines is None:
                    news.unregister(readable)
                    del left[readable]
                    lines = source.end()
                if lines and self._console is not None and not write_all(self._console, lines):
                    self._console = None
                if readable not in left:
                    source.over.set()


def open_log(path: Path) -> int:
    """Return a descriptor that appends to a file, which is made if it is not there; raises `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

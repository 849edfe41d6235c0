"""Events in a file of JSON lines."""

from __future__ import annotations

import errno
import json
import os

from rdzv_core._listeners.record import record
from rdzv_core.events import Event
from rdzv_core.hooks import hookimpl


class JsonLines:
    """Appends events to a file, each as one line of JSON in one `write`: several nodes may share the file."""

    def __init__(self, path: str) -> None:
        """Open the file, creating it if need be; raises `ValueError` if that cannot be done.

        A named pipe must have a reader: none is waited for.
        """
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        except OSError as error:
            why = "nobody reads this pipe; start its reader first" if error.errno == errno.ENXIO else error.strerror
            raise ValueError(f"events cannot be written to {path!r}: {why or error}") from error
        os.set_blocking(self._file, True)
        self._path, self._torn = path, False

    def __repr__(self) -> str:
        return f"<JsonLines {self._path!r}>"

    @hookimpl
    def rdzv_event(self, event: Event) -> None:
        """Write it; raises `OSError` if it cannot be written in whole, and the next one then begins a new line."""
        line = json.dumps(record(event), separators=(",", ":")).encode() + b"\n"
        whole = b"\n" * self._torn + line
        written = os.write(self._file, whole)
        self._torn = written < len(whole)
        if self._torn:
            raise OSError(errno.ENOSPC, f"only {written} of {len(whole)} bytes could be written")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

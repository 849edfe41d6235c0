"""Reading the files of a store, with the errors of the contract. Takes no lock."""

# ruff: noqa: PTH116 - plain system calls, on plain strings

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from rdzv_core import RendezvousStateError
from rdzv_file._errors import mapped
from rdzv_file._files import open_file, read_all
from rdzv_file._kept import Kept
from rdzv_file._layout import Layout, Parts
from rdzv_file._lock_record import is_marked
from rdzv_file._pin import Pin

_STALE_NAP = 0.01


class Content(NamedTuple):
    """What is in a file, None where there is none, and the open file."""

    content: bytes | None
    pin: Pin | None


class Reader:
    """Reads files of the store at `path`; each read is retried for up to `timeout` seconds where NFS asks for it."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout

    def look(self, layout: Layout, key: str) -> Kept | None:
        """Read the file that holds `key`; None where there is none. Raises `RendezvousStateError` if it is damaged."""
        file = layout.file_of(key)
        content, pin = self.read(file)
        if content == b"" and layout.begins_empty and is_marked(layout.lock_of(key)):
            content, pin = self.read(file)  # it may have been written in between
            if content == b"":
                raise self.truncated(layout, key)
        if content is None or pin is None:
            return None
        return Kept.of(file, pin, content, self.parse(layout, content, key))

    def read(self, file: str) -> Content:
        """Return the file's content."""
        with mapped(self._path, f"read {file!r}"):
            deadline = time.monotonic() + self._timeout
            while True:
                try:
                    pin = Pin(open_file(file))
                    return Content(read_all(pin.fd), pin)
                except FileNotFoundError:
                    return Content(None, None)
                except OSError as error:
                    # A network file system reports this way that the file was replaced between two steps of ours.
                    if error.errno != errno.ESTALE or time.monotonic() >= deadline:
                        raise
                    time.sleep(_STALE_NAP)

    def parse(self, layout: Layout, content: bytes | None, key: str) -> Mapping[str, Parts]:
        """Return the values in a file's content. Raises `RendezvousStateError` if it is damaged."""
        try:
            return layout.parse(content, key)
        except RendezvousStateError as error:
            raise RendezvousStateError(
                f"file backend at {self._path!r}: the file is not an rdzv store, or it is damaged: {error}; "
                f"{self.way_out(layout, key)}name another path, or move that file away"
            ) from error

    def truncated(self, layout: Layout, key: str) -> RendezvousStateError:
        """Make the error for a file of 0 bytes that was written before."""
        return RendezvousStateError(
            f"file backend at {self._path!r}: the file has 0 bytes and was written before, as {layout.lock_of(key)!r} "
            f"says: it was truncated. {self.way_out(layout, key)}"
            "If nobody uses it, clear it with `rdzv reset`, or delete it"
        )

    def way_out(self, layout: Layout, key: str) -> str:
        """Return a sentence that tells how to restore a damaged file that holds `key`; "" where nothing is kept."""
        file, aside = layout.file_of(key), layout.aside_of(key)
        try:
            size = os.stat(aside, follow_symlinks=False).st_size
        except OSError:
            return ""
        return (
            f"what it held before its last write is whole in {aside!r} ({size} bytes): while nobody uses the store, "
            f"`mv {aside} {file}` restores that; else "
        )

"""Reading the files of a store, with the errors of the contract. Takes no lock."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from rdzv_core import RendezvousStateError
from rdzv_file._errors import mapped
from rdzv_file._files import read_file
from rdzv_file._layout import Layout, unpack
from rdzv_file._lock_record import is_marked

T = TypeVar("T")

_HEADER_BYTES = 128
_STALE_NAP = 0.01


class Reader:
    """Reads files of the store at `path`; each read is retried for up to `timeout` seconds where NFS asks for it."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout

    def value(self, layout: Layout, key: str) -> bytes | None:
        """Return the value of `key`, or None. Raises `RendezvousStateError` if its file is damaged or truncated."""
        content = self.read(layout.file_of(key))
        if content == b"" and layout.begins_empty and is_marked(layout.lock_of(key)):
            content = self.read(layout.file_of(key))  # it may have been written in between
            if content == b"":
                raise self.truncated(layout.lock_of(key))
        return self.extract(layout, content, key)

    def keys(self, file: str) -> list[str]:
        """Return the keys in a file that holds all of them."""
        content = self.read(file)
        return list(self._readable(lambda: unpack(content or b"")))

    def header(self, file: str) -> bytes | None:
        """Return the file's first line, which has the nonce of its last write; None if there is no file."""
        return self.read(file, _HEADER_BYTES)

    def read(self, file: str, size: int = -1) -> bytes | None:
        """Return the file's content, or its first `size` bytes; None if there is no such file."""
        with mapped(self._path, f"read {file!r}"):
            deadline = time.monotonic() + self._timeout
            while True:
                try:
                    return read_file(file, size)
                except OSError as error:
                    # A network file system reports this way that the file was replaced between two steps of ours.
                    if error.errno != errno.ESTALE or time.monotonic() >= deadline:
                        raise
                    time.sleep(_STALE_NAP)

    def extract(self, layout: Layout, content: bytes | None, key: str) -> bytes | None:
        """Return the value of `key` in a file's content. Raises `RendezvousStateError` if it is damaged."""
        return self._readable(lambda: layout.extract(content, key))

    def truncated(self, lock: str) -> RendezvousStateError:
        """Make the error for a file of 0 bytes that was written before."""
        return RendezvousStateError(
            f"file backend at {self._path!r}: the file has 0 bytes and was written before, as {lock!r} says: it was "
            "truncated. Restore it from a copy; or, if nobody uses it, clear it with `rdzv reset`, or delete it"
        )

    def _readable(self, extract: Callable[[], T]) -> T:
        try:
            return extract()
        except RendezvousStateError as error:
            raise RendezvousStateError(
                f"file backend at {self._path!r}: the file is not an rdzv store, or it is damaged: {error}; "
                "name another path, or move that file away"
            ) from error

"""One key of a store while this process holds its lock: read, and replaced at most once."""

from __future__ import annotations

from rdzv_core import RendezvousStateError
from rdzv_file._files import remove_file, replace_file
from rdzv_file._layout import Layout
from rdzv_file._lock_record import HeldLock
from rdzv_file._reader import Reader


class Replacement:
    """The one write that a lock holder may do: to `file`, by way of `temporary`."""

    def __init__(self, file: str, temporary: str, held: HeldLock, *, sync: bool) -> None:
        self.file, self.temporary, self.held = file, temporary, held
        self._sync = sync

    def put(self, content: bytes | None) -> None:
        """Replace the file, or remove it for None, and check before and after that nobody else held the lock.

        Another holder writes its record before it reads the file: so of two that overwrite each other at least one
        learns of it. It is not a lock: a writer that stalls between check and rename undoes others' writes.
        """
        if content is None:
            self.held.check()
            remove_file(self.file, sync=self._sync)
        else:
            try:
                replace_file(self.file, self.temporary, content, self.held.check, sync=self._sync)
            except FileNotFoundError:
                self.held.check()  # the temp file was deleted: by a process that took this holder for dead?
                raise
        self.held.check()


class Slot:
    """One key under its lock; for one write."""

    def __init__(self, reader: Reader, layout: Layout, key: str, replacement: Replacement) -> None:
        self._reader, self._layout, self._key, self._replacement = reader, layout, key, replacement
        self._content = reader.read(replacement.file)
        self._is_truncated = self._content == b"" and layout.begins_empty and replacement.held.is_marked

    @property
    def temporary(self) -> str:
        """The path of the temp file by way of which this slot is written."""
        return self._replacement.temporary

    def read(self) -> bytes | None:
        """Return the value, or None."""
        if self._is_truncated:
            raise self._reader.truncated(self._layout.lock_of(self._key))
        return self._reader.extract(self._layout, self._content, self._key)

    def write(self, value: bytes | None) -> None:
        """Set the value, or delete it for None.

        If this raises `OSError`, nothing has changed, except that the directory is synced last: if that fails, the
        write is done but may not survive a power cut.
        """
        self.read()
        self._put(self._layout.insert(self._content, self._key, value))

    def clear(self) -> bool:
        """Delete the value; if the file cannot be read but is ours, all that is in it. False if there was nothing."""
        try:
            if self.read() is None:
                return False
        except RendezvousStateError:
            if not (self._is_truncated or self._layout.is_ours(self._content or b"")):
                raise
            self._content, self._is_truncated = None, False
        self._put(self._layout.insert(self._content, self._key, None))
        return True

    def _put(self, content: bytes | None) -> None:
        self._replacement.put(content)
        if self._layout.begins_empty:
            self._replacement.held.mark()

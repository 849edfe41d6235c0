"""One key of a store while this process holds its lock: read, and replaced at most once."""

from __future__ import annotations

from collections.abc import Mapping

from rdzv_core import RendezvousStateError
from rdzv_file._files import keep_aside, remove_file, replace_file
from rdzv_file._kept import HEADER_BYTES, Kept
from rdzv_file._layout import Layout, Parts
from rdzv_file._lock_record import HeldLock
from rdzv_file._pin import Pin
from rdzv_file._reader import Reader


class Replacement:
    """The one write that a lock holder may do: to `file`, by way of `temporary`.

    What the file held before is kept `aside`, under another name; not where something is deleted, which takes that too.
    """

    def __init__(self, file: str, aside: str, temporary: str, held: HeldLock, *, sync: bool) -> None:
        self.file, self.aside, self.temporary, self.held = file, aside, temporary, held
        self._sync = sync

    def put(self, content: Parts | None, *, keep: bool) -> Pin | None:
        """Replace the file, or remove it for None, and check before and after that nobody else held the lock.

        Another holder writes its record before it reads the file: so of two that overwrite each other at least one
        learns of it. It is not a lock: a writer that stalls between check and rename undoes others' writes.
        """
        pin = None
        if content is None:
            self.held.check()
            remove_file(self.aside, sync=False)
            remove_file(self.file, sync=self._sync)
        else:

            def before_rename() -> None:
                self.held.check()
                keep_aside(self.file, self.aside) if keep else remove_file(self.aside, sync=False)

            try:
                pin = replace_file(self.file, self.temporary, content, before_rename, sync=self._sync)
            except FileNotFoundError:
                self.held.check()  # the temp file was deleted: by a process that took this holder for dead?
                raise
        self.held.check()
        return pin


class Slot:
    """One key under its lock; for one write. `kept` is what the file holds: as given, if that is so still."""

    def __init__(
        self, reader: Reader, layout: Layout, key: str, replacement: Replacement, kept: Kept | None = None
    ) -> None:
        self._reader, self._layout, self._key, self._replacement = reader, layout, key, replacement
        self._content: bytes | None = None
        self._damage: RendezvousStateError | None = None
        self.kept = kept if kept is not None and kept.path == replacement.file and kept.is_current() else None
        if self.kept is None:
            self._read_file()

    @property
    def temporary(self) -> str:
        """The path of the temp file by way of which this slot is written."""
        return self._replacement.temporary

    def read(self) -> bytes | None:
        """Return the value, or None."""
        return b"".join(parts) if (parts := self._values().get(self._key)) is not None else None

    def write(self, value: Parts | None) -> None:
        """Set the value, or delete it for None.

        If this raises `OSError`, nothing has changed, except that the directory is synced last: if that fails, the
        write is done but may not survive a power cut.
        """
        values = dict(self._values())
        if value is None:
            values.pop(self._key, None)
        else:
            values[self._key] = value
        self._put(values, keep=value is not None)

    def clear(self) -> bool:
        """Delete the value; if the file cannot be read but is ours, all that is in it. False if there was nothing."""
        if self._damage is not None:
            if self._content and not self._layout.is_ours(self._content):
                raise self._damage
            self._put({}, keep=False)
            return True
        if self._key not in self._values():
            return False
        self.write(None)
        return True

    def _values(self) -> Mapping[str, Parts]:
        if self._damage is not None:
            raise self._damage
        return {} if self.kept is None else self.kept.values

    def _read_file(self) -> None:
        file = self._replacement.file
        self._content, pin = self._reader.read(file)
        try:
            if self._content == b"" and self._layout.begins_empty and self._replacement.held.is_marked:
                raise self._reader.truncated(self._layout, self._key)
            values = self._reader.parse(self._layout, self._content, self._key)
        except RendezvousStateError as error:
            self._damage = error
            return
        if self._content is not None and pin is not None:
            self.kept = Kept.of(file, pin, self._content, values)

    def _put(self, values: Mapping[str, Parts], *, keep: bool) -> None:
        content = self._layout.build(values)
        pin = self._replacement.put(content, keep=keep)
        if self._layout.begins_empty:
            self._replacement.held.mark()
        self._damage, self.kept = None, None
        if content is not None and pin is not None:
            self.kept = Kept.of(self._replacement.file, pin, _beginning(content), values)


def _beginning(parts: Parts) -> bytes:
    """Return as many bytes as tell one write from another, or more."""
    found = b""
    for part in parts:
        found += part[:HEADER_BYTES]
        if len(found) >= HEADER_BYTES:
            break
    return found

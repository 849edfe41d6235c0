"""What was read from a file, for as long as the file is the same."""

# ruff: noqa: PTH116 - plain system calls, on plain strings

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from rdzv_file._files import read_file
from rdzv_file._layout import Parts
from rdzv_file._mounts import is_local
from rdzv_file._pin import Pin

HEADER_BYTES = 128
"""The first line of a file, with the nonce of its last write, is in so many bytes."""
_NEVER = -1
"""No file has this size, or this time."""


class Kept(NamedTuple):
    """The values by key in a file that is kept open, and the status that it has had since they were read.

    A file is never changed, but replaced by another: so the same file has the same values. Its size and time are
    compared as well, for who edits it by hand.
    """

    path: str
    pin: Pin
    size: int
    time: int
    header: bytes
    values: Mapping[str, Parts]

    @classmethod
    def of(cls, path: str, pin: Pin, beginning: bytes, values: Mapping[str, Parts]) -> Kept:
        """Keep what was read from, or written to, the file that is open, before anybody could have changed that.

        Its `beginning` has `HEADER_BYTES`, if the file has.
        """
        try:
            status = os.fstat(pin.fd)
        except OSError:
            # FUSE and NFS may lose an open file with its name, once it has been replaced: it is not the one there now.
            return cls(path, pin, _NEVER, _NEVER, beginning[:HEADER_BYTES], values)
        return cls(path, pin, status.st_size, status.st_mtime_ns, beginning[:HEADER_BYTES], values)

    def value(self, key: str) -> bytes | None:
        """Return the value of `key`, or None."""
        parts = self.values.get(key)
        return None if parts is None else b"".join(parts)

    def is_current(self) -> bool:
        """Return whether the file is still this one: by its status on a local file system, else by its first line."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
            device, inode = self.pin.identity
            same = status.st_ino == inode and status.st_dev == device
            if not is_local(self.path, device):
                # Over a network a status may be old, and an inode number used again: opening the file asks the server.
                return read_file(self.path, HEADER_BYTES) == self.header
        except OSError:
            return False
        return same and status.st_mtime_ns == self.time and status.st_size == self.size

"""Telling by one look that a file is still the same."""

from __future__ import annotations

import os
from typing import NamedTuple


class Identity(NamedTuple):
    """Which file it is. An inode number can come back once its file is gone: not while the file is open here."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity of the file that was looked at."""
        return cls(status.st_dev, status.st_ino)


class Pin:
    """An open file, so that its inode number cannot come back. Its descriptor is closed with the last reference.

    Whoever compares with it holds a reference meanwhile: no lock is needed, and a forked child closes its own copy.
    """

    __slots__ = ("_close", "fd", "identity")

    def __init__(self, fd: int) -> None:
        self._close = os.close
        self.fd: int = fd
        self.identity: Identity = Identity.of(os.fstat(fd))

    def __del__(self) -> None:
        self._close(self.fd)

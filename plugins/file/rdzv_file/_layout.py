"""Where a key's value lies: one file for all keys, or a directory with a file for each. No I/O here."""

from __future__ import annotations

import os
import zlib
from typing import Protocol

from rdzv_core import RendezvousStateError
from rdzv_core.envelope import seal, unseal

_LOCKS_PER_DIRECTORY = 256


class Layout(Protocol):
    """A way to keep values by key in files; a file's content is None where there is no file.

    `begins_empty`: a file of 0 bytes may be one that was never written.
    """

    begins_empty: bool

    def file_of(self, key: str) -> str:
        """The file that holds `key`."""

    def lock_of(self, key: str) -> str:
        """The lock file, in the same directory, that a writer of `key` must hold."""

    def extract(self, content: bytes | None, key: str) -> bytes | None:
        """Give the value of `key`, or None; raises `RendezvousStateError` if the file cannot be read."""

    def insert(self, content: bytes | None, key: str, value: bytes | None) -> bytes | None:
        """Give the file's new content with `key` set, or without it for None; None: the file goes."""

    def is_ours(self, content: bytes) -> bool:
        """Say whether a file that cannot be read was one of ours, so that clearing it destroys nobody's work."""


class DirectoryLayout:
    """A file for every key. Locks are shared out over a fixed number of files, so that they need never be deleted.

    There are many, so that a process that is stopped while it holds one rarely holds up another register's writers.
    """

    begins_empty = False

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def file_of(self, key: str) -> str:
        return f"{self._directory}{os.sep}{key}"

    def lock_of(self, key: str) -> str:
        return f"{self._directory}{os.sep}.rdzv-lock-{zlib.crc32(key.encode()) % _LOCKS_PER_DIRECTORY:x}"

    def extract(self, content: bytes | None, key: str) -> bytes | None:  # noqa: ARG002 - the file is the key's alone
        return content

    def insert(self, content: bytes | None, key: str, value: bytes | None) -> bytes | None:  # noqa: ARG002
        return value

    def is_ours(self, content: bytes) -> bool:  # noqa: ARG002 - it has our key for its name
        return True


class OneFileLayout:
    """All keys in one file: a sealed list of records, each a line with key and length and then the value.

    The seal makes a damaged key as visible as a damaged value, and gives every write of the file a first line of its
    own. An empty file holds no keys: that is how a store may be given at first.
    """

    begins_empty = True

    def __init__(self, file: str) -> None:
        self._file = file

    def file_of(self, key: str) -> str:  # noqa: ARG002 - all keys are in the one file
        return self._file

    def lock_of(self, key: str) -> str:  # noqa: ARG002
        return f"{self._file}.lock"

    def extract(self, content: bytes | None, key: str) -> bytes | None:
        return unpack(content or b"").get(key)

    def insert(self, content: bytes | None, key: str, value: bytes | None) -> bytes | None:
        records = unpack(content or b"")
        if value is None:
            records.pop(key, None)
        else:
            records[key] = value
        return pack(records)

    def is_ours(self, content: bytes) -> bool:
        return content.startswith(b"rdzv1 ")

    def without_values(self) -> bytes:
        """Return the content of a new store."""
        return pack({})


def pack(records: dict[str, bytes]) -> bytes:
    """Give the content of a file that holds `records`."""
    return seal(b"".join(b"%b %d\n%b\n" % (key.encode(), len(value), value) for key, value in records.items()))


def unpack(content: bytes) -> dict[str, bytes]:
    """Give the records of what `pack` made, or none of an empty file; else raises `RendezvousStateError`."""
    records: dict[str, bytes] = {}
    body = unseal(content)[0] if content else b""
    at = 0
    while at < len(body):
        end = body.find(b"\n", at)
        key, _, size = body[at : max(end, at)].rpartition(b" ")
        if not key or not size.isdigit():
            raise RendezvousStateError(f"no rdzv record: {body[at : at + 40]!r} instead of a key and a length")
        at = end + 1 + int(size) + 1
        records[key.decode()] = body[end + 1 : at - 1]
    return records

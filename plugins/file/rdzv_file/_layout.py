"""Where a key's value is kept: in one file for all keys, or in a directory with a file for each. No I/O."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from typing import Protocol, TypeAlias

from rdzv_core import RendezvousStateError
from rdzv_core.envelope import header, unseal

_LOCKS_PER_DIRECTORY = 256


Parts: TypeAlias = tuple[bytes, ...]
"""Bytes that stand one after the other: what is large is not copied to be stored."""


class Layout(Protocol):
    """A way to keep values by key in files; a file's content is None where there is no file.

    `begins_empty`: a file of 0 bytes may be one that was never written.
    """

    begins_empty: bool

    @property
    def runs(self) -> str:
        """The directory for what runs keep besides their registers."""

    def file_of(self, key: str) -> str:
        """The file that holds `key`."""

    def lock_of(self, key: str) -> str:
        """The lock file, in the same directory, that a writer of `key` must hold."""

    def aside_of(self, key: str) -> str:
        """The file that keeps what the file of `key` held before its last write."""

    def parse(self, content: bytes | None, key: str) -> dict[str, Parts]:
        """Return the values in the file that holds `key`; raises `RendezvousStateError` if it cannot be read."""

    def build(self, values: Mapping[str, Parts]) -> Parts | None:
        """Return the content of a file that has these values; None: there is to be no file."""

    def is_ours(self, content: bytes) -> bool:
        """Return whether a file that cannot be read is one of ours, so that clearing it destroys nothing else."""


class DirectoryLayout:
    """A file for every key. Locks are spread over a fixed number of files, so that they never need to be deleted.

    There are many, so that a process that is stopped while it holds one rarely holds up another register's writers.
    """

    begins_empty = False

    def __init__(self, directory: str) -> None:
        self._directory = directory

    @property
    def runs(self) -> str:
        return f"{self._directory}{os.sep}.rdzv-runs"

    def file_of(self, key: str) -> str:
        return f"{self._directory}{os.sep}{key}"

    def lock_of(self, key: str) -> str:
        return f"{self._directory}{os.sep}.rdzv-lock-{zlib.crc32(key.encode()) % _LOCKS_PER_DIRECTORY:x}"

    def aside_of(self, key: str) -> str:
        return f"{self._directory}{os.sep}{key}.last"

    def parse(self, content: bytes | None, key: str) -> dict[str, Parts]:
        return {} if content is None else {key: (content,)}

    def build(self, values: Mapping[str, Parts]) -> Parts | None:
        return next(iter(values.values()), None)

    def is_ours(self, content: bytes) -> bool:  # noqa: ARG002 - it has our key for its name
        return True


class OneFileLayout:
    """All keys in one file: a sealed list of records, each a line with key and length and then the value.

    The seal makes a damaged key as visible as a damaged value, and makes the first line differ after every write. An
    empty file holds no keys: a store may start as one.
    """

    begins_empty = True

    def __init__(self, file: str) -> None:
        self._file = file

    @property
    def runs(self) -> str:
        return f"{self._file}.runs"

    def file_of(self, key: str) -> str:  # noqa: ARG002 - all keys are in the one file
        return self._file

    def lock_of(self, key: str) -> str:  # noqa: ARG002
        return f"{self._file}.lock"

    def aside_of(self, key: str) -> str:  # noqa: ARG002
        return f"{self._file}.last"

    def parse(self, content: bytes | None, key: str) -> dict[str, Parts]:  # noqa: ARG002
        return {name: (value,) for name, value in unpack(content or b"").items()}

    def build(self, values: Mapping[str, Parts]) -> Parts:
        return pack(values)

    def is_ours(self, content: bytes) -> bool:
        return content.startswith(b"rdzv1 ")

    def without_values(self) -> Parts:
        """Return the content of a new store."""
        return pack({})


def pack(records: Mapping[str, Parts]) -> Parts:
    """Return the content of a file that holds `records`."""
    parts: list[bytes] = []
    for key, value in records.items():
        parts += (b"%b %d\n" % (key.encode(), sum(map(len, value))), *value, b"\n")
    return (header(parts), *parts)


def unpack(content: bytes) -> dict[str, bytes]:
    """Return the records in what `pack` made, none for an empty file; else raises `RendezvousStateError`."""
    records: dict[str, bytes] = {}
    body = unseal(content)[0] if content else b""
    at = 0
    while at < len(body):
        end = body.find(b"\n", at)
        key, _, size = body[at : max(end, at)].rpartition(b" ")
        if not key or not size.isdigit():
            raise RendezvousStateError(f"not an rdzv record: {body[at : at + 40]!r} instead of a key and a length")
        at = end + 1 + int(size) + 1
        records[key.decode()] = body[end + 1 : at - 1]
    return records

"""The records of a log: a line with checksum, kind, fields and length, and then the body as it is. No I/O."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

_LONGEST_LINE = 2048
_LINE = re.compile(rb"([0-9a-f]{8}) (([a-z]+(?: [^ \n]+)*) (0|[1-9][0-9]{0,11}))")


class Record(NamedTuple):
    """One record; a field has neither spaces nor line ends."""

    kind: str
    fields: tuple[str, ...] = ()
    body: bytes = b""


class DamagedError(Exception):
    """A record that cannot be read, with others behind it: no writer that was interrupted leaves that."""


def encode(record: Record) -> bytes:
    """Return the bytes of a record."""
    head = " ".join((record.kind, *record.fields, str(len(record.body)))).encode()
    return b"%08x %b\n%b\n" % (_checksum(head, record.body), head, record.body)


def decode(content: bytes, at: int = 0) -> tuple[list[Record], int]:
    """Return the whole records from `at` on, and where they end: what is behind that is not written to its end yet.

    Raises `DamagedError`.
    """
    records: list[Record] = []
    while at < len(content):
        found = _decode_one(content, at)
        if found is None:
            break
        records.append(found[0])
        at = found[1]
    return records, at


def _decode_one(content: bytes, at: int) -> tuple[Record, int] | None:
    end = content.find(b"\n", at, at + _LONGEST_LINE)
    if end < 0:
        if len(content) - at >= _LONGEST_LINE and content[at : at + 1] != b"\0":
            raise DamagedError(f"no record at byte {at}: {content[at : at + 40]!r}")
        return None
    line = _LINE.fullmatch(content, at, end)
    if line is None:
        raise DamagedError(f"no record at byte {at}: {content[at : at + 40]!r}")
    begin, size = end + 1, int(line[4])
    after = begin + size + 1
    if after > len(content):
        return None
    body = content[begin : after - 1]
    if _checksum(line[2], body) != int(line[1], 16):
        if after == len(content):
            return None
        raise DamagedError(f"the checksum of the record at byte {at} does not match its {size} bytes")
    kind, *fields = line[3].decode().split(" ")
    return Record(kind, tuple(fields), body), after


def _checksum(head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head))

"""The log of a data directory, as bytes: the writes of all kinds, batch by batch. No file is touched here.

A log is a readable first line, then frames. A frame is 12 bytes of header (big-endian: length of the body, CRC-32 of
the body, CRC-32 of these eight bytes) and a body of MessagePack: the entries of one batch, which are kept together or
not at all. As the header has a checksum of its own, a log that ends too early can be told from a corrupt one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from rdzv_tcp._protocol import (
    NONCE_BYTES,
    Done,
    Enter,
    Leave,
    Renew,
    StoreAdd,
    StoreCompareSet,
    StoreDelete,
    StoreSet,
    Value,
)
from rdzv_tcp._state.members import Memberships, MembersSnapshot
from rdzv_tcp._state.state import State, new_state
from rdzv_tcp._state.stores import StoresSnapshot
from rdzv_tcp._state.table import Record, RegisterChange, Table

FIRST_LINE: Final = b"rdzv-tcp log 2\n"
WITHOUT_MEMBERS: Final = b"rdzv-tcp log 1\n"
"""How a log without memberships begins, which an older server wrote. It is read, and compacted to this version."""

_HEADER: Final = struct.Struct(">III")
_SECTOR: Final = 512
_SNAPSHOT_FRAME_BYTES: Final = 1024 * 1024
NO_STORES: Final = StoresSnapshot([], [], [])
NO_MEMBERS: Final = MembersSnapshot(b"", [], [])


class CorruptLog(Exception):  # noqa: N818 - mapped where the file's name is known
    """The log holds at `offset` what no server wrote there."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset


class LogStart(msgspec.Struct, array_like=True, tag="start"):
    """The first entry of a log: the incarnations of the registers, and of the memberships."""

    incarnation: bytes
    members: bytes = b""


class RegisterSet(msgspec.Struct, array_like=True, tag="put"):
    """`key` holds `value` now, a state or with `fault` what could not be read as one; its token is `nonce`."""

    key: str
    value: bytes
    nonce: bytes
    fault: str | None


class RegisterDeleted(msgspec.Struct, array_like=True, tag="gone"):
    """`key` was deleted by the request with `nonce`."""

    key: str
    nonce: bytes


class Nonces(msgspec.Struct, array_like=True, tag="known"):
    """The remembered nonces, in their order, one after another; what was remembered before counts no more."""

    nonces: bytes


class StoreEntry(msgspec.Struct, array_like=True, tag="asked"):
    """A write to a store of a round, to be done again; `displaced` is the store that went for it, if any."""

    request: StoreSet | StoreCompareSet | StoreAdd | StoreDelete
    displaced: str | None


class StoreContents(msgspec.Struct, array_like=True, tag="holds"):
    """What a store of a round holds, or a part of it."""

    run: str
    prefix: str
    items: dict[str, bytes]


class StoresDropped(msgspec.Struct, array_like=True, tag="dropped"):
    """The latest stores of a run that went for newer ones."""

    run: str
    prefixes: list[str]


class StoreAnswers(msgspec.Struct, array_like=True, tag="answered"):
    """Remembered writes to stores: nonce, and the value of the answer; None for one without."""

    answers: list[tuple[bytes, bytes | None]]


class MembershipEntry(msgspec.Struct, array_like=True, tag="member"):
    """What a member asked for, to be done again."""

    request: Enter | Renew | Leave


class MembersEnded(msgspec.Struct, array_like=True, tag="over"):
    """The ids of members whose time was over, one after another: none of them comes back."""

    members: bytes


Entry: TypeAlias = (
    LogStart
    | RegisterSet
    | RegisterDeleted
    | Nonces
    | StoreEntry
    | StoreContents
    | StoresDropped
    | StoreAnswers
    | MembershipEntry
    | MembersEnded
)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Entry]).decode


def encode_frame(entries: list[Entry]) -> bytes:
    """Return the frame that holds `entries`."""
    body = _encode(entries)
    head = struct.pack(">II", len(body), zlib.crc32(body))
    return b"%b%b%b" % (head, struct.pack(">I", zlib.crc32(head)), body)


def encode_changes(
    changes: Iterable[RegisterChange], asked: Iterable[StoreEntry | MembershipEntry | MembersEnded] = ()
) -> bytes:
    """Return the frame of one batch."""
    return encode_frame([*(_entry(change.key, change.record, change.nonce) for change in changes), *asked])


def encode_snapshot(
    incarnation: bytes,
    records: dict[str, Record],
    nonces: list[bytes],
    stores: StoresSnapshot = NO_STORES,
    members: MembersSnapshot = NO_MEMBERS,
) -> Iterator[bytes]:
    """Yield, piece by piece, the shortest log that makes a table, stores and memberships with this content."""
    yield FIRST_LINE
    entries: list[Entry] = [LogStart(incarnation, members.incarnation)]
    size = 0
    for key, record in records.items():
        entries.append(_entry(key, record, record.token))
        size += len(record.value)
        if size > _SNAPSHOT_FRAME_BYTES or len(entries) >= 4096:
            yield encode_frame(entries)
            entries, size = [], 0
    yield encode_frame([*entries, Nonces(b"".join(nonces))])
    yield from _encode_stores(stores)
    yield from _encode_members(members)


def _encode_stores(content: StoresSnapshot) -> Iterator[bytes]:
    for run, prefix, items in content.stores:
        part: dict[str, bytes] = {}
        size = 0
        for key, value in items.items():
            part[key] = value
            size += len(key) + len(value)
            if size > _SNAPSHOT_FRAME_BYTES:
                yield encode_frame([StoreContents(run, prefix, part)])
                part, size = {}, 0
        if part or not items:
            yield encode_frame([StoreContents(run, prefix, part)])
    answers = [(nonce, answer.value if isinstance(answer, Value) else None) for nonce, answer in content.answers]
    yield encode_frame([*(StoresDropped(run, prefixes) for run, prefixes in content.dropped), StoreAnswers(answers)])


def _encode_members(content: MembersSnapshot) -> Iterator[bytes]:
    entries: list[Entry] = []
    size = 0
    for enter, sequence in content.members:
        entries.append(MembershipEntry(enter))
        if sequence:
            entries.append(MembershipEntry(Renew(enter.member, sequence, None)))
        size += len(enter.run) + len(enter.payload) + 4 * NONCE_BYTES
        if size > _SNAPSHOT_FRAME_BYTES:
            yield encode_frame(entries)
            entries, size = [], 0
    yield encode_frame([*entries, MembersEnded(b"".join(content.ended))])


def read_log(data: memoryview) -> tuple[State, int]:
    """Return what a log keeps, and where its last whole frame ends: what follows was never acknowledged.

    Raises `CorruptLog`.
    """
    begins = bytes(data[: len(FIRST_LINE)])
    if begins not in (FIRST_LINE, WITHOUT_MEMBERS):
        raise CorruptLog(0, f"a log begins with {FIRST_LINE!r}, this with {begins!r}")
    kept, end = new_state(), len(FIRST_LINE)
    while (body := _body_at(data, end)) is not None:
        with body:
            try:
                entries = _decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CorruptLog(end, f"its checksum fits, but it was written by another version: {error}") from error
            if (end == len(FIRST_LINE)) != (bool(entries) and isinstance(entries[0], LogStart)):
                raise CorruptLog(end, "the first batch of a log, and no other, says which server wrote it")
            for entry in entries:
                _replay(kept, entry)
            end += _HEADER.size + len(body)
    if end == len(FIRST_LINE):
        raise CorruptLog(end, "the log has no first batch")
    return kept, end


def _entry(key: str, record: Record | None, nonce: bytes) -> Entry:
    return RegisterDeleted(key, nonce) if record is None else RegisterSet(key, record.value, nonce, record.fault)


def _replay(kept: State, entry: Entry) -> None:
    table, stores, members = kept
    if isinstance(entry, MembershipEntry | MembersEnded):
        _replay_member(members, entry)
    elif isinstance(entry, StoreEntry):
        stores.change(entry.request, entry.displaced)
    elif isinstance(entry, StoreContents):
        stores.put(entry.run, entry.prefix, entry.items)
    elif isinstance(entry, StoresDropped):
        stores.drop(entry.run, entry.prefixes)
    elif isinstance(entry, StoreAnswers):
        for nonce, value in entry.answers:
            stores.remember(nonce, Done() if value is None else Value(value))
    else:
        if isinstance(entry, LogStart) and entry.members:
            members.incarnation = entry.members
        _replay_register(table, entry)


def _replay_member(members: Memberships, entry: MembershipEntry | MembersEnded) -> None:
    # At whatever time: who was there when the log ended has a whole ttl when the server begins.
    if isinstance(entry, MembersEnded):
        members.end(entry.members[at : at + NONCE_BYTES] for at in range(0, len(entry.members), NONCE_BYTES))
    elif isinstance(entry.request, Enter):
        members.enter(entry.request, 0.0)
    elif isinstance(entry.request, Renew):
        members.renew(entry.request, 0.0)
    else:
        members.leave(entry.request)


def _replay_register(table: Table, entry: LogStart | RegisterSet | RegisterDeleted | Nonces) -> None:
    if isinstance(entry, RegisterSet):
        table.apply(RegisterChange(entry.key, Record(entry.value, entry.nonce, entry.fault), entry.nonce))
    elif isinstance(entry, RegisterDeleted):
        table.apply(RegisterChange(entry.key, None, entry.nonce))
    elif isinstance(entry, LogStart):
        table.restore(entry.incarnation, {})
    else:
        table.restore(table.incarnation, table.copy_out()[0])
        for at in range(0, len(entry.nonces), NONCE_BYTES):
            table.remember(entry.nonces[at : at + NONCE_BYTES])


def _body_at(data: memoryview, at: int) -> memoryview | None:
    """Return the body of the frame at `at`; None where the log ends, or where only a torn frame follows."""
    left = len(data) - at
    if left < _HEADER.size or not any(data[at : at + _HEADER.size]):
        # Zeros are what a power cut leaves of a write that made the file longer and did not fill it.
        if any(data[at + _HEADER.size :]):
            raise CorruptLog(at, "twelve zeros where a batch should begin, and a batch after them")
        return None
    length, checksum, head_checksum = _HEADER.unpack_from(data, at)
    if zlib.crc32(data[at : at + 8]) != head_checksum:
        raise CorruptLog(at, "the header of a batch does not fit its checksum")
    end = at + _HEADER.size + length
    if end > len(data):
        return None
    body = data[at + _HEADER.size : end]
    if zlib.crc32(body) != checksum:
        if end == len(data) and _has_empty_sector(data, at, end):
            return None
        raise CorruptLog(at, f"the checksum does not fit the {length} bytes of a batch")
    return body


def _has_empty_sector(data: memoryview, start: int, end: int) -> bool:
    """Return whether a sector of the last batch was never written, as a power cut can leave it."""
    first = start - start % _SECTOR
    return any(not any(data[max(at, start) : min(at + _SECTOR, end)]) for at in range(first, end, _SECTOR))

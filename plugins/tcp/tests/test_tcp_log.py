"""The log of a data directory, as bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdzv_tcp._protocol import (
    Delete,
    Done,
    Enter,
    Found,
    Leave,
    Renew,
    Set,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreSet,
)
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.stores import Stores, StoreWrite
from rdzv_tcp._state.table import Draft, Record, RegisterChange, Table
from rdzv_tcp._wal.format import (
    FIRST_LINE,
    CorruptLog,
    MembersEnded,
    MembershipEntry,
    StoreEntry,
    encode_changes,
    encode_snapshot,
    read_log,
)

NONCES = [number.to_bytes(16, "big") for number in range(1, 20)]
INCARNATION = b"incarnation-----"


def start() -> bytes:
    return b"".join(encode_snapshot(INCARNATION, {}, []))


def batch(number: int, size: int = 3) -> bytes:
    record = Record(bytes([number]) * size, NONCES[number])
    return encode_changes([RegisterChange(f"key-{number}", record, NONCES[number])])


def keys(log: bytes) -> list[str]:
    return list(read_log(memoryview(log))[0].table.copy_out()[0])


LOG = start() + batch(1) + batch(2) + batch(3)

nonces = st.sampled_from(NONCES)

requests = st.lists(
    st.one_of(
        st.builds(Set, st.sampled_from("ab"), st.binary(max_size=5), st.sampled_from(NONCES), st.none()),
        st.builds(Set, st.sampled_from("ab"), st.binary(max_size=5), *[st.sampled_from(NONCES)] * 2),
        st.builds(Delete, st.sampled_from("ab"), st.sampled_from(NONCES), st.none()),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(st.lists(requests, max_size=4))
def test_a_table_comes_back_from_its_log(batches: list[list[Set | Delete]]) -> None:
    """Whatever was written and deleted, the log makes the same records, and the same memory of writes."""
    table, log = Table(), b""
    log = b"".join(encode_snapshot(table.incarnation, {}, []))
    for some in batches:
        draft = Draft(table)
        plain = [draft.write(one) for one in some]
        assert len(plain) == len(some)
        log += encode_changes(draft.changes)
        for change in draft.changes:
            table.apply(change)
    kept, end = read_log(memoryview(log))
    again = kept.table
    assert (again.incarnation, again.copy_out(), end) == (table.incarnation, table.copy_out(), len(log))
    short = b"".join(encode_snapshot(table.incarnation, *table.copy_out()))
    assert read_log(memoryview(short))[0].table.copy_out() == table.copy_out()


@settings(deadline=None)
@given(requests)
def test_a_draft_answers_as_the_table_would(some: list[Set | Delete]) -> None:
    """A batch is decided one after another, and the table is what it was until the changes are applied."""
    table, twin = Table(), Table()
    draft = Draft(table)
    assert [draft.write(one) for one in some] == [twin.write(one) for one in some]
    assert table.copy_out() == ({}, [])
    for change in draft.changes:
        table.apply(change)
    assert table.copy_out() == twin.copy_out()


store_changes = st.lists(
    st.one_of(
        st.builds(StoreSet, *[st.sampled_from("abcdef")] * 2, st.dictionaries(st.text("xy"), st.binary()), nonces),
        st.builds(StoreAdd, *[st.sampled_from("ab")] * 3, st.sampled_from(["1", "no"]), nonces),
        st.builds(StoreCompareSet, *[st.sampled_from("ab")] * 3, st.none() | st.just(b"1"), st.just(b"1"), nonces),
        st.builds(StoreDelete, *[st.sampled_from("ab")] * 3, nonces),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(store_changes)
def test_stores_come_back_from_their_log(changes: list[StoreWrite]) -> None:
    """Their keys, which of them went for newer ones, and what is answered to a write that comes again."""
    stores, log = Stores(), start()
    for change in changes:
        asked = StoreEntry(change, stores.displaces(change))
        log += encode_changes([], [asked])
        stores.change(change, asked.displaced)
    assert read_log(memoryview(log))[0].stores.copy_out() == stores.copy_out()
    short = b"".join(encode_snapshot(INCARNATION, {}, [], stores.copy_out()))
    again = read_log(memoryview(short))[0].stores
    assert again.copy_out() == stores.copy_out()
    for change in changes:
        assert again.change(change).answer == stores.change(change).answer


member_changes = st.lists(
    st.one_of(
        st.builds(Enter, st.sampled_from("ab"), nonces, st.binary(max_size=5), st.just(9.0), nonces),
        st.builds(Renew, nonces, st.integers(1, 5), st.none() | st.binary(max_size=5)),
        st.builds(Leave, nonces),
        st.lists(nonces, max_size=3),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(member_changes)
def test_memberships_come_back_from_their_log(changes: list[Enter | Renew | Leave | list[bytes]]) -> None:
    """Entries, writes, leaves and ends in any order: the log makes the same, and so does a compacted one."""
    members, log = Memberships(), b""
    log = b"".join(encode_snapshot(INCARNATION, {}, [], members=members.copy_out()))
    for number, change in enumerate(changes):
        if isinstance(change, list):
            log += encode_changes([], [MembersEnded(b"".join(change))])
            members.end(change)
            continue
        log += encode_changes([], [MembershipEntry(change)])
        if isinstance(change, Enter):
            members.enter(change, float(number))
        elif isinstance(change, Renew):
            members.renew(change, float(number))
        else:
            members.leave(change)
    assert read_log(memoryview(log))[0].members.copy_out() == members.copy_out()
    short = b"".join(encode_snapshot(INCARNATION, {}, [], members=members.copy_out()))
    assert read_log(memoryview(short))[0].members.copy_out() == members.copy_out()


def test_a_store_that_was_read_goes_where_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a store keeps it from going next, and is not in the log: which one goes is."""
    stores, log = Stores(), start()
    for number in range(5):
        change = StoreSet("run", str(number), {"key": b"value"}, NONCES[number])
        asked = StoreEntry(change, stores.displaces(change))
        log += encode_changes([], [asked])
        stores.change(change, asked.displaced)
        stores.count(StoreCount("run", "0"))
    assert stores.is_over("run", "1")
    again = read_log(memoryview(log))[0].stores
    assert [again.is_over("run", str(number)) for number in range(5)] == [False, True, False, False, False]


def test_a_write_that_is_known_from_the_log_is_done_once() -> None:
    """A request that comes again after the log was read is told as done, and changes nothing."""
    table = Table()
    table.restore(INCARNATION, {})
    request = Set("key-1", b"\1\1\1", NONCES[1], None)
    again = read_log(memoryview(LOG + encode_changes([RegisterChange("key-1", Record(b"new", NONCES[9]), NONCES[9])])))[
        0
    ].table
    assert again.write(request) == Done()
    assert again.look("key-1") == Found(b"new", NONCES[9])


@pytest.mark.parametrize("cut", range(1, len(batch(3)) + 1))
def test_a_torn_last_batch_is_left_out(cut: int) -> None:
    """Wherever the last batch was cut off, what was before it is there, and it ends before it."""
    kept, end = read_log(memoryview(LOG[:-cut]))
    assert list(kept.table.copy_out()[0]) == ["key-1", "key-2"]
    assert end == len(LOG) - len(batch(3))


@pytest.mark.parametrize("at", range(len(LOG) - len(batch(3))))
def test_a_corrupt_byte_before_the_last_batch_is_told(at: int) -> None:
    """Any byte that is another than was written is an error that says where, never a shorter log."""
    corrupt = bytearray(LOG)
    corrupt[at] ^= 0x40
    with pytest.raises(CorruptLog) as caught:
        read_log(memoryview(corrupt))
    pieces = [*encode_snapshot(INCARNATION, {}, []), batch(1), batch(2)]
    frames = [0, *itertools.accumulate(map(len, pieces))]
    assert caught.value.offset == max(begin for begin in frames if begin <= at)


def test_a_corrupt_last_batch_that_is_whole_is_told() -> None:
    """The last batch was acknowledged as the others were: if it is there at full length, it must be right."""
    corrupt = bytearray(LOG)
    corrupt[-1] ^= 1
    with pytest.raises(CorruptLog, match="checksum"):
        read_log(memoryview(corrupt))


def test_zeros_at_the_end_are_a_torn_write() -> None:
    """A power cut can leave a file longer than what was written to it: zeros are no batch."""
    assert keys(LOG + bytes(100)) == keys(LOG + bytes(5)) == keys(LOG)


def test_a_sector_that_was_never_written_is_a_torn_write() -> None:
    """Of a long last batch a power cut can leave the end and not the middle."""
    long = LOG + batch(4, 4000)
    holed = bytearray(long)
    middle = len(LOG) + 1500
    first = middle - middle % 512
    holed[first : first + 512] = bytes(512)
    assert keys(bytes(holed)) == keys(LOG)
    with pytest.raises(CorruptLog):
        read_log(memoryview(bytes(holed) + batch(5)))


def test_zeros_with_a_batch_after_them_are_corrupt() -> None:
    """What follows a gap may have been acknowledged: it is not dropped in silence."""
    with pytest.raises(CorruptLog) as caught:
        read_log(memoryview(LOG + bytes(12) + batch(4)))
    assert caught.value.offset == len(LOG)


@pytest.mark.parametrize("log", [b"", b"{}", FIRST_LINE, FIRST_LINE + batch(1), start() + start()[len(FIRST_LINE) :]])
def test_what_is_no_log_is_told(log: bytes) -> None:
    """An empty file, another one's, one without a first batch or with two."""
    with pytest.raises(CorruptLog):
        read_log(memoryview(log))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_log_or_corrupt(tail: bytes) -> None:
    """Whatever follows the last batch, reading returns at least what was before, or reports a corrupt log."""
    try:
        log = read_log(memoryview(LOG + tail))[0].table.copy_out()[0]
    except CorruptLog as error:
        log, offset = dict.fromkeys(keys(LOG)), error.offset
    else:
        offset = len(LOG)
    assert list(log)[:3] == ["key-1", "key-2", "key-3"]
    assert offset >= len(LOG)

"""The table of registers, without I/O."""

from __future__ import annotations

import itertools

import pytest
from rdzv_tcp._protocol import Absent, Corrupt, Delete, Done, Found, Get, Kept, RawGet, Set, Value
from rdzv_tcp._state import table as _table
from rdzv_tcp._state.table import Record, RegisterChange, Table

from rdzv_core.envelope import unseal

NONCES = [number.to_bytes(16, "big") for number in range(10)]
ONE, TWO, THREE, FOUR = NONCES[:4]


def test_a_write_creates_only_where_nothing_is() -> None:
    """Without an expected token the first write is done, the second gets what is there."""
    table = Table()
    assert table.set(Set("k", b"a", ONE, None)) == Done()
    assert table.set(Set("k", b"b", TWO, None)) == Found(b"a", ONE)


def test_a_write_with_a_token_creates_nothing() -> None:
    """With an expected token where nothing is, nothing is written."""
    table = Table()
    assert table.set(Set("k", b"a", ONE, TWO)) == Absent()
    assert len(table) == 0


def test_a_nonce_takes_effect_once() -> None:
    """The same write again is told as done, and undoes nothing that came after it."""
    table = Table()
    first = Set("k", b"a", ONE, None)
    table.set(first)
    table.set(Set("k", b"b", TWO, ONE))
    assert table.set(first) == Done()
    assert table.get(Get("k")) == Found(b"b", TWO)


def test_a_late_copy_of_a_creation_revives_nothing() -> None:
    """The same creation again, after the state was deleted, does not bring its token back."""
    table = Table()
    first = Set("k", b"a", ONE, None)
    table.set(first)
    assert table.delete(Delete("k", TWO, ONE)) == Done()
    assert table.set(first) == Done()
    assert table.get(Get("k")) == Absent()


def test_a_deletion_sent_twice_deletes_once() -> None:
    """The same deletion again leaves alone what was created since."""
    table = Table()
    table.set(Set("k", b"a", ONE, None))
    deletion = Delete("k", TWO, None)
    assert table.delete(deletion) == Done()
    table.set(Set("k", b"b", THREE, None))
    assert table.delete(deletion) == Done()
    assert table.get(Get("k")) == Found(b"b", THREE)


def test_a_deletion_with_another_token_keeps_the_state() -> None:
    """A stale token deletes nothing, nor does any token where nothing is."""
    table = Table()
    table.set(Set("k", b"a", ONE, None))
    assert table.delete(Delete("k", TWO, THREE)) == Kept()
    assert table.delete(Delete("other", FOUR, None)) == Kept()


def test_the_memory_of_writes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many nonces are remembered, the latest."""
    monkeypatch.setattr(_table, "REMEMBERED_WRITES", 3)
    table = Table()
    for before, nonce in itertools.pairwise([None, *NONCES]):
        table.set(Set("k", b"a", nonce or b"", before))
    assert table.remembered == len(table.copy_out()[1]) == 3
    assert table.set(Set("k", b"z", NONCES[-2], b"")) == Done()
    assert table.set(Set("k", b"z", ONE, b"")) == Found(b"a", NONCES[-1])


def test_a_value_that_is_no_state_is_corrupt_and_stays() -> None:
    """Corrupt is corrupt to reads and to writes with its own token, and to none; deleting it helps."""
    table = Table()
    table.apply(RegisterChange("k", Record(b"junk", ONE, "it is junk"), ONE))
    assert isinstance(table.get(Get("k")), Corrupt)
    for expected in (None, ONE, TWO):
        assert isinstance(table.set(Set("k", b"a", THREE, expected)), Corrupt)
    assert table.raw_get(RawGet("k")) == Value(b"junk")
    assert table.delete(Delete("k", FOUR, None)) == Done()
    assert table.get(Get("k")) == Absent()


def test_a_raw_read_gives_the_state_in_its_envelope() -> None:
    """With the register's token."""
    table = Table()
    table.set(Set("k", b"state", TWO, None))
    answer = table.raw_get(RawGet("k"))
    assert isinstance(answer, Value)
    assert unseal(answer.value) == (b"state", TWO)


def test_every_table_has_an_incarnation_of_its_own() -> None:
    """A restarted server can be told from the one before."""
    assert Table().incarnation != Table().incarnation

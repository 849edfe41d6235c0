"""RDZV-STATE-3, 10 and 11: what a state holds, how long it is, and that nobody sees parts of two."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.together import in_parts, together
from rdzv_conformance.suite.awkward import TWINS, awkward_values
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_conformance.suite.whole import check_whole, largest_of, whole_state
from rdzv_core import StateSnapshot

LARGEST = 256 * 1024
OVER = (300_000, 400_000, 409_600, 2**19, 2**19 + 1, 786_432, 1_000_000)
HOLE = bytes(128 * 1024)
BESIDE_HOLES = (0, 1, 4096, 64 * 1024)
LONGEST_TRIED = 2 * 1024 * 1024
EVERY_BYTE_SECONDS = 1.5
READ_SECONDS = 0.5
LEAST_WRITES = 12
STUCK = 60.0


class Contents:
    """Bytes are bytes: nobody looks into them, cuts them, pads them, or mixes those of two writes."""

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_every_value_comes_back_and_can_be_updated(self, under_test: BackendUnderTest) -> None:
        """A state comes back byte for byte, whatever its value, and the next write goes through."""
        parts = [*enumerate(in_parts([*awkward_values()]))]
        together(parts, lambda part: _in_turn(under_test, *part), under_test.target.pace)

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_every_value_can_be_the_first(self, under_test: BackendUnderTest) -> None:
        """A register can be created with any value, is then there for another instance, and can be updated.

        Every value is tried, whatever became of the one before: each that is special is named.
        """
        special: list[str] = []

        def check(part: Sequence[tuple[int, bytes]]) -> None:
            for number, value in part:
                try:
                    _can_be_the_first(under_test, f"{under_test.run_id}-{number}", value)
                except ClauseFailed as finding:
                    special.append(f"the state {value[:60]!r}: {finding}")

        together(in_parts([*enumerate(awkward_values())]), check, under_test.target.pace)
        that(not special, "; ".join(sorted(special)))

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_every_byte_may_begin_and_end_a_state(self, under_test: BackendUnderTest) -> None:
        """All 256, as far as a second and a half goes; on a slow store as many as it takes, drawn at random."""
        every = [*range(256)]
        under_test.random.shuffle(every)
        ends = time.monotonic() + EVERY_BYTE_SECONDS

        def check(part: Sequence[int]) -> None:
            register = under_test.open(f"{under_test.run_id}-{part[0]}")
            token = None
            for byte in part:
                state = bytes([byte]) + b" middle " + bytes([byte])
                token = register.write(state, token)
                register.holds(state, token, f"that begins and ends with the byte {byte:#04x}")
                if time.monotonic() > ends:
                    return

        together(in_parts(every), check, under_test.target.pace)

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_states_that_are_nearly_alike_are_kept_apart(self, under_test: BackendUnderTest) -> None:
        """One replaces another of the same length, checksum, beginning or end, and is there."""

        def check(pair: tuple[int, tuple[bytes, bytes]]) -> None:
            number, (one, other) = pair
            register = under_test.open(f"{under_test.run_id}-{number}")
            token = register.write(one)
            token = register.write(other, token)
            register.holds(other, token, "after one that is nearly alike was replaced")
            register.holds(one, register.write(one, token), "after one that is nearly alike was replaced")

        together(enumerate(TWINS), check, under_test.target.pace)

    @clause("RDZV-STATE-10")
    def test_RDZV_STATE_10_a_state_of_any_length_is_kept_whole(self, under_test: BackendUnderTest) -> None:
        """Lengths at and beside every power of two, and others: each after a longer one, and the longest after all."""

        def check(part: Sequence[int]) -> None:
            register = under_test.open(f"{under_test.run_id}-{part[0]}")
            token = None
            for length in (*sorted(part, reverse=True), max(part)):
                state = hashlib.shake_128(b"%d" % length).digest(length)
                token = register.write(state, token)
                _kept(register.get_state(), StateSnapshot(state, token))

        together(in_parts(_lengths()), check, under_test.target.pace)

    @clause("RDZV-STATE-10")
    def test_RDZV_STATE_10_the_longest_state_is_kept_whole(self, under_test: BackendUnderTest) -> None:
        """Of max_state_bytes, of one less, and of some lengths over 256 KiB: no part of it is like another one."""
        register = under_test.open()
        largest = min(register.backend.max_state_bytes, LONGEST_TRIED)
        lengths = {largest, largest - 1, *(length for length in OVER if length < largest)}
        token = None
        for length in sorted(lengths, reverse=True):
            state = hashlib.shake_128(b"%d" % length).digest(length)
            token = register.write(state, token)
            _kept(register.get_state(), StateSnapshot(state, token))

    @clause("RDZV-STATE-10")
    def test_RDZV_STATE_10_a_state_with_holes_is_kept_whole(self, under_test: BackendUnderTest) -> None:
        """Long rows of NUL, at the edge of a block and beside it, at the beginning, within and at the end."""

        def check(part: Sequence[int]) -> None:
            register = under_test.open(f"{under_test.run_id}-{part[0]}")
            token = None
            for before in part:
                around = hashlib.shake_128(b"%d" % before).digest(before)
                for state in (around + HOLE + around, HOLE + around, around + HOLE):
                    token = register.write(state, token)
                    _kept(register.get_state(), StateSnapshot(state, token))

        together(in_parts(BESIDE_HOLES), check, under_test.target.pace)

    @clause("RDZV-STATE-11")
    def test_RDZV_STATE_11_nobody_sees_parts_of_two_writes(self, under_test: BackendUnderTest) -> None:
        """While large states are written others read, are refused, and read in another process: all is whole."""
        stop = threading.Event()
        register = under_test.open()
        token = register.write(whole_state(0))
        elsewhere = [Worker(under_test, "read_whole")] if under_test.shared_by_processes() else []
        with once_ready(elsewhere):
            for worker in elsewhere:
                worker.go()
            try:
                readers = [Running(_read_whole, under_test, stop, refused) for refused in (False, True)]
                _write_whole(register, token, [*readers])
            finally:
                stop.set()
            for reader in readers:
                reader.result(under_test.paced(STUCK), "a reader of large states has not ended")
            for worker in elsewhere:
                worker.send("stop")
                worker.expect("done")


def _in_turn(under_test: BackendUnderTest, number: int, values: Sequence[bytes]) -> None:
    register = under_test.open(f"{under_test.run_id}-{number}")
    for value in values:
        found = register.get_state()
        register.write(value, found and found.token)
        found = register.get_state()
        that(found is not None, f"get_state() gave None after set_state({value[:60]!r}): no value reads as no state")
        that(
            found and found.state == value,
            f"the state read is {(found and found.state[:60])!r}: it must be {value[:60]!r}",
        )


def _can_be_the_first(under_test: BackendUnderTest, run_id: str, value: bytes) -> None:
    register, other = under_test.open(run_id), under_test.open(run_id)
    token = register.write(value)
    other.holds(value, token, "in another instance")
    other.refuses(b"second", None, StateSnapshot(value, token))
    register.write(b"second", token)


def _lengths() -> list[int]:
    powers = [2**power + beside for power in range(19) for beside in (-1, 0, 1)]
    others = [10, 100, 1000, 1460, 9000, 10_000, 12_288, 40_960, 65_507, 65_520, 70_000, 100_000, 131_056, 200_000]
    # Each is a multiple of many lengths that a block may have.
    others += [
        192_000,
        196_608,
        225_792,
        229_376,
        240_000,
        245_760,
        250_000,
        258_048,
        261_120,
        261_340,
        261_800,
        262_088,
        262_140,
    ]
    return sorted({length for length in (*powers, *others) if length <= LARGEST})


def _kept(found: StateSnapshot | None, expected: StateSnapshot) -> None:
    length = len(expected.state)
    if found is None:
        raise ClauseFailed(f"get_state() gave None after a state of {length} bytes was written")
    that(
        len(found.state) == length,
        f"a state of {length} bytes came back with {len(found.state)}: every length must be kept whole",
    )
    first = next((at for at in range(length) if found.state[at] != expected.state[at]), None)
    that(first is None, f"a state of {length} bytes came back with other bytes from the {first}th on")


def _write_whole(register: Register, token: object, readers: list[Running[int]]) -> None:
    ends = time.monotonic() + READ_SECONDS
    written, largest = 0, largest_of(register)
    while (written < LEAST_WRITES or time.monotonic() < ends) and not any(each.ended(0) for each in readers):
        written += 1
        token = register.write(whole_state(written, largest), token)


def _read_whole(under_test: BackendUnderTest, stop: threading.Event, refused: bool) -> int:
    register, reads = under_test.open(), 0
    largest = largest_of(register)
    while not stop.is_set():
        found = register.set_state(b"late", "invalid") if refused else register.get_state()
        check_whole(found and found[0], "a refused set_state" if refused else "get_state()", largest)
        reads += 1
    return reads

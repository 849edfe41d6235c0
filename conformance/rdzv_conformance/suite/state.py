"""RDZV-STATE: what the register holds."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, raises, that
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousParameters, RendezvousStateError, StateSnapshot

KIB_256 = 256 * 1024
AT_ONCE = 2.0
LARGEST_TRIED = 64 * 1024 * 1024


class State:
    """Reading back what was written, and never anything else."""

    @clause("RDZV-STATE-1")
    def test_RDZV_STATE_1_no_state_reads_as_none_at_once(self, under_test: BackendUnderTest) -> None:
        """An empty register reads as None, and nobody waits for a state to appear."""
        register = under_test.open()
        register.is_empty("of a register that nobody has written")  # the first call may connect
        began = time.monotonic()
        register.is_empty("of a register that nobody has written")
        took = time.monotonic() - began
        that(
            took < under_test.paced(AT_ONCE),
            f"get_state() of an empty register took {took:.1f} s: it must not wait for a state",
        )

    @clause("RDZV-STATE-2")
    def test_RDZV_STATE_2_what_was_set_is_read(self, under_test: BackendUnderTest) -> None:
        """After a write get_state gives that state, and a token."""
        register = under_test.open()
        register.set_state(b"first")
        found = register.get_state()
        that(found is not None, "get_state() gave None after set_state(b'first'): it must give what was set")
        equal("the state read", found and found.state, b"first")

    @clause("RDZV-STATE-4")
    def test_RDZV_STATE_4_256_kib_are_kept_whole(self, under_test: BackendUnderTest) -> None:
        """A state of 256 KiB is written, read and updated whole."""
        register = under_test.open()
        first, second = bytes(range(256)) * 1024, bytes(range(255, -1, -1)) * 1024
        token = register.write(first)
        register.holds(first, token, "of 256 KiB")
        register.holds(second, register.write(second, token), "of 256 KiB")

    @clause("RDZV-STATE-5")
    def test_RDZV_STATE_5_too_large_a_state_is_a_value_error(self, under_test: BackendUnderTest) -> None:
        """A state over max_state_bytes is refused with a ValueError, nothing is written, and the next call works."""
        register = under_test.open()
        largest = register.backend.max_state_bytes
        that(largest >= KIB_256, f"max_state_bytes is {largest}: it must be at least {KIB_256}")
        if largest > LARGEST_TRIED:
            raise Untested(f"max_state_bytes is {largest}: the suite tries no more than {LARGEST_TRIED} bytes")
        too_large = b"x" * (largest + 1)
        raises(ValueError, "set_state of max_state_bytes + 1 bytes", register.set_state, too_large)
        register.is_empty("after a state that was too large")
        token = register.write(b"small")
        raises(ValueError, "set_state of max_state_bytes + 1 bytes", register.set_state, too_large, token)
        register.holds(b"small", token, "after a state that was too large")
        largest_kept = hashlib.shake_128(b"largest").digest(largest)  # no part of it is like another one
        register.holds(largest_kept, register.write(largest_kept, token), "of max_state_bytes")

    @clause("RDZV-STATE-6")
    def test_RDZV_STATE_6_reading_corrupt_storage_is_a_state_error(self, under_test: BackendUnderTest) -> None:
        """What cannot be read is an error for every instance, never "no state"."""
        for register, _ in _corrupted(under_test):
            raises(RendezvousStateError, "get_state() on corrupt storage", register.get_state)

    @clause("RDZV-STATE-7")
    def test_RDZV_STATE_7_corrupt_storage_is_never_overwritten(self, under_test: BackendUnderTest) -> None:
        """No write goes through on corrupt storage, with any token or none; it stays as corrupt as it was."""
        for register, snapshot in _corrupted(under_test):
            tokens = [None, "invalid", b"invalid"] + ([snapshot.token] if snapshot else [])
            for token in tokens:
                what = f"set_state(b'new', {token!r}) on corrupt storage"
                raises(RendezvousStateError, what, register.set_state, b"new", token)
            raises(RendezvousStateError, "get_state() after writes on corrupt storage", register.get_state)

    @clause("RDZV-STATE-8")
    def test_RDZV_STATE_8_instances_of_one_run_see_one_register(self, under_test: BackendUnderTest) -> None:
        """What one instance wrote the other reads at once, both ways."""
        one, other = under_test.open(), under_test.open()
        token = one.write(b"from one")
        other.holds(b"from one", token, "in the other instance")
        token = other.write(b"from the other", token)
        one.holds(b"from the other", token, "in the first instance")
        under_test.open().holds(b"from the other", token, "in an instance created afterwards")

    @clause("RDZV-STATE-9")
    def test_RDZV_STATE_9_creating_reading_and_closing_change_nothing(self, under_test: BackendUnderTest) -> None:
        """Reading alone leaves the register as it was: without a state, with an empty one, with any."""
        witness = under_test.open()
        _look(under_test)
        witness.is_empty("after another instance was created, read from and closed")
        token = witness.write(b"")
        _look(under_test)
        witness.holds(b"", token, "after another instance was created, read from and closed")
        token = witness.write(b"something", token)
        _look(under_test)
        witness.holds(b"something", token, "after another instance was created, read from and closed")

    @clause("RDZV-STATE-9")
    def test_RDZV_STATE_9_a_state_outlives_all_instances(self, under_test: BackendUnderTest) -> None:
        """The last instance of a run, or of a purpose, was closed: who comes later finds what it wrote."""
        register = under_test.open()
        sibling = register.sibling("alone")
        token, its_own = register.write(b"there"), sibling.write(b"there too")
        for each in (sibling, register):
            each.close()
        later = under_test.open()
        later.holds(b"there", token, "after the last instance of its run was closed")
        later.sibling("alone").holds(b"there too", its_own, "after the last instance for its purpose was closed")


def _look(under_test: BackendUnderTest) -> None:
    looker = under_test.open()
    looker.get_state()
    looker.close()


def _corrupted(under_test: BackendUnderTest) -> Iterator[tuple[Register, StateSnapshot | None]]:
    """Registers corrupted before and after their first write, and truncated after it, with what was last in them."""
    corrupt = under_test.helpers.corrupt
    if corrupt is None:
        raise Untested("needs the helper corrupt(params), which corrupts what is stored")
    for written in (False, True):
        params: RendezvousParameters = under_test.parameters(f"{under_test.run_id}-{'written' if written else 'new'}")
        register = under_test.open_with(params)
        snapshot = StateSnapshot(b"good", register.write(b"good")) if written else None
        if not written:
            register.get_state()
        corrupt(params)
        yield register, snapshot
        yield under_test.open_with(params), snapshot
    if under_test.helpers.truncated is not None:
        params = under_test.parameters(f"{under_test.run_id}-truncated")
        register = under_test.open_with(params)
        snapshot = StateSnapshot(b"good", register.write(b"good"))
        with under_test.helpers.truncated(params):
            yield register, snapshot
            yield under_test.open_with(params), snapshot

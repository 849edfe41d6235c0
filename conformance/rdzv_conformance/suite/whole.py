"""Large states of which every part tells which write it is of."""

from __future__ import annotations

import sys

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running

UNIT = 16
LARGEST = 1024 * 1024
SIZES = (100 * 1024, 256 * 1024, 37 * 1024, 6 * 1024, 9 * 1024)
"""The second is larger where a backend takes more, up to `LARGEST`."""
STUCK = 60.0


def largest_of(register: Register) -> int:
    """Return how large the largest of these states are on a backend, in bytes."""
    return min(register.backend.max_state_bytes, LARGEST)


def whole_state(number: int, largest: int = 0) -> bytes:
    """Return the state of the write `number`: of one of five sizes, the number again and again."""
    size = SIZES[number % len(SIZES)]
    if size == max(SIZES):
        size = max(size, largest)
    return (b"%0*d" % (UNIT, number)) * (size // UNIT)


def check_whole(state: bytes | None, what: str, largest: int = 0) -> None:
    """Fail the clause unless that is a state as one write made it."""
    if state is None:
        raise ClauseFailed(f"{what} gave None while large states were written one over the other")
    first = state[:UNIT]
    if first.isdigit() and state == whole_state(int(first), largest):
        return
    parts = sorted({state[at : at + UNIT] for at in range(0, len(state), UNIT)})
    told = ", ".join(repr(part) for part in parts[:3])
    writes = "1 write" if len(parts) == 1 else f"{len(parts)} writes"
    raise ClauseFailed(
        f"{what} gave {len(state)} bytes with parts of {writes} ({told}), while large states were written "
        "one over the other: it must give a state as one write made it"
    )


def read_whole(under_test: BackendUnderTest, say: Say) -> None:
    """Read until told to stop; a state that is not whole is a finding."""
    register = under_test.open()
    largest = largest_of(register)
    register.get_state()
    say("ready")
    sys.stdin.readline()
    stopping = Running(sys.stdin.readline)
    while not stopping.ended(0):
        found = register.get_state()
        check_whole(found and found.state, "get_state() in another process", largest)
    say("done")

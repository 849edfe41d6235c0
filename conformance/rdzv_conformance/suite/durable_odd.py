"""RDZV-DURABLE-1: whatever a register holds, however it is named, and whatever was refused, a kill changes nothing."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.durable import needs_restart
from rdzv_conformance.suite.outages import await_return
from rdzv_conformance.suite.store_writer import bytes_of
from rdzv_core import StateSnapshot, SupportsDelete, Token

STATES = {
    "empty": b"",
    "newlines": b"a\nb\r\nc\n\n",
    "every byte": bytes(range(256)),
    "NUL": b"\0" * 5000,
    "256 KiB": bytes_of("largest", 256 * 1024),
    "150,000 bytes": bytes_of("large", 150_000),
    "4096 bytes": bytes_of("a page", 4096),
    "JSON": b'{"a": [1, null]}',
}
NAMES = ("ü", "-a/b", "\n", "\0", " ", "🚀", "%2F", "..", "x" * 900)
LARGEST_TRIED = 2 * 1024 * 1024
UPDATES = 300
LEAST_UPDATES = 100
UPDATE_SECONDS = 2.0
"""More than 8 bits count, where writes are quick."""


class DurableOdd:
    """What is odd is kept as what is plain."""

    @clause("RDZV-DURABLE-1")
    def test_RDZV_DURABLE_1_what_is_odd_is_kept_as_well(self, under_test: BackendUnderTest) -> None:
        """Odd states, names and purposes, refused writes and deletions, states created again: as before, twice."""
        restart = needs_restart(under_test)
        base = _client(under_test, under_test.run_id)
        registers = {f"with {what}": _client(under_test, f"{under_test.run_id}-{what}") for what in STATES}
        registers |= {f"of the run {name!r}": _client(under_test, under_test.run_id + name) for name in NAMES}
        registers |= {f"for {purpose!r}": base.sibling(purpose) for purpose in ("a", "b/ü", "a.b")}
        registers |= {
            "that was created again": _client(under_test, f"{under_test.run_id}-again"),
            "updated often": base,
            "of max_state_bytes": _client(under_test, f"{under_test.run_id}-longest"),
        }
        longest = bytes_of("longest", min(base.backend.max_state_bytes, LARGEST_TRIED))
        expected: dict[str, StateSnapshot | None] = {}
        for what, register in registers.items():
            state = STATES.get(what.removeprefix("with "), what.encode("utf-8"))
            if what == "of max_state_bytes":
                state = longest
            token = register.write(b"first")
            if what == "that was created again" and isinstance(register.backend, SupportsDelete):
                register.delete_state(token)
                token = None  # type: ignore[assignment]
            if what == "updated often":
                token = _updated_often(register, token)
            expected[what] = StateSnapshot(state, register.write(state, token))
            _refused(register)
        never = _client(under_test, f"{under_test.run_id}-never")
        never.set_state(b"never", "invalid")
        registers["that was never written"], expected["that was never written"] = never, None
        for turn in (1, 2):
            restart()
            for what, register in registers.items():
                await_return(under_test, register)
                found = register.get_state()
                that(
                    found == expected[what],
                    f"after kill {turn} a register {what} holds {shown(found)}: before it held {shown(expected[what])}",
                )


def _updated_often(register: Register, token: Token) -> Token:
    ends = time.monotonic() + UPDATE_SECONDS
    for number in range(UPDATES):
        token = register.write(b"an update", token)
        if number >= LEAST_UPDATES and time.monotonic() > ends:
            break
    return token


def _refused(register: Register) -> None:
    """Ask for what must not be done, and is not to be done later either."""
    for token in (None, "invalid", b"0123456789abcdef"):
        register.set_state(b"refused", token)
    if isinstance(register.backend, SupportsDelete):
        register.delete_state("invalid")


def _client(under_test: BackendUnderTest, run_id: str) -> Register:
    return under_test.open(run_id, **under_test.target.as_client(), **under_test.target.impatient())

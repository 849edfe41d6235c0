"""RDZV-WATCH-2 and 4: a wait ends with a change of its own register, and with nothing else."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_core import StateSnapshot, SupportsDelete, SupportsMembership, SupportsStore, SupportsWatch, Token

LONG = 60.0
SOON = 5.0
SETTLES = 0.1
MOMENT = 0.02
"""Seconds after each change in which a wait may end that it must not end."""
LASTS = 0.2
LOOKS = 0.1
WAITING = 3
TTL = 60.0


class Unrelated:
    """What happens to other registers, or changes nothing, ends no wait."""

    @clause("RDZV-WATCH-4")
    def test_RDZV_WATCH_4_what_changes_nothing_of_its_own_ends_no_wait(self, under_test: BackendUnderTest) -> None:
        """Writes to runs of nearly the same name and to siblings, members, keys, refused writes: each wait goes on."""
        run_id = f"{under_test.run_id}/waits"
        register, other = under_test.open(run_id), under_test.open(run_id)
        under_test.needs(SupportsWatch, register)
        waits = [
            _Wait.begin(under_test, "the run", register, b"there"),
            _Wait.begin(under_test, "a sibling", register.sibling("a"), b"there too"),
            _Wait.begin(under_test, "a sibling without a state", register.sibling("b"), None),
            _Wait.begin(under_test, "a run without a state", under_test.open(f"{run_id}/empty"), None),
        ]
        waits[0].running.ended(under_test.paced(SETTLES))
        for what, change in _changes(under_test, run_id, other).items():
            change()
            waits[0].running.ended(under_test.paced(MOMENT))
            for wait in waits:
                wait.must_go_on(f"after {what}")
        for wait in waits:
            wait.must_end_with_a_write(under_test)

    @clause("RDZV-WATCH-2")
    def test_RDZV_WATCH_2_what_was_deleted_at_once_is_no_state(self, under_test: BackendUnderTest) -> None:
        """A state comes and goes, again and again: a wait with None gives one that was there, or goes on."""
        register, writer = under_test.open(), under_test.open()
        under_test.needs(SupportsWatch, register)
        under_test.needs(SupportsDelete, writer)
        over = threading.Event()
        timeout = under_test.paced(LOOKS)

        def wait() -> None:
            while not over.is_set():
                began = time.monotonic()
                gave = register.wait_state(None, timeout)
                took = time.monotonic() - began
                if gave == (True, None):
                    raise ClauseFailed("wait_state(None) gave (True, None): it must go on until there is a state")
                if not gave[0] and took < timeout - 0.01:
                    raise ClauseFailed(f"wait_state(None, {timeout}) gave {shown(gave)} after {took:.3f} s already")

        def come_and_go() -> None:
            writer.backend.set_state(b"there")
            writer.backend.delete_state()  # type: ignore[attr-defined] # it claims it

        waiting = [Running(wait) for _ in range(WAITING)]
        ends = time.monotonic() + under_test.paced(LASTS)
        while time.monotonic() < ends and not any(each.ended(0) for each in waiting):
            writer.call("set_state(b'there') and delete_state()", come_and_go)  # with nothing between them
        over.set()
        limit = timeout + under_test.paced(SOON)
        for each in waiting:
            each.result(limit, f"wait_state(None, {timeout}) has not returned after {limit:.0f} s")


@dataclass
class _Wait:
    """A wait for the register of `whose`, which holds `token`'s state or none."""

    whose: str
    register: Register
    token: Token | None
    running: Running[Any]

    @classmethod
    def begin(cls, under_test: BackendUnderTest, whose: str, register: Register, state: bytes | None) -> _Wait:
        token = None if state is None else register.write(state)
        running = Running(register.wait_state, token, under_test.paced(LONG))
        return cls(whose, register, token, running)

    @property
    def what(self) -> str:
        return f"wait_state({'None' if self.token is None else 'current token'}) of {self.whose}"

    def must_go_on(self, when: str) -> None:
        if self.running.ended(0):
            gave = shown(self.running.result(0, ""))
            raise ClauseFailed(f"{self.what} gave {gave} {when}, which is no change of that register: it must go on")

    def must_end_with_a_write(self, under_test: BackendUnderTest) -> None:
        token = self.register.write(b"next", self.token)
        limit = under_test.paced(SOON)
        gave = self.running.result(limit, f"{self.what} has not returned {limit:.0f} s after a write")
        equal(f"what {self.what} gave after a write", gave, (True, StateSnapshot(b"next", token)))


def _changes(under_test: BackendUnderTest, run_id: str, other: Register) -> dict[str, Callable[[], object]]:
    """Return what is done beside the waits of a run, by what is said of it; `other` is another instance of the run."""
    changes: dict[str, Callable[[], object]] = {}
    for tail, told in (("-2", "longer"), ("/a", "longer"), (".a", "longer"), (None, "shorter")):
        there = run_id[:-1] if tail is None else run_id + tail
        changes[f"changes of the run {there!r}, whose name is {told}"] = _all_of(under_test.open(there))
    changes["changes of a run in capitals"] = _all_of(under_test.open(f"{under_test.run_id}/WAITS"))
    for purpose in ("aa", "c", "state"):
        changes[f"changes of the sibling {purpose!r}"] = _all_of(other.sibling(purpose))
    changes["a refused write"] = lambda: other.set_state(b"refused", "invalid")
    changes["a refused creation"] = lambda: other.set_state(b"refused")
    changes["reads, and another instance that comes and goes"] = lambda: _come_and_go(under_test, run_id)
    if isinstance(other.backend, SupportsDelete):
        changes["a refused deletion"] = lambda: other.delete_state("invalid")
    if isinstance(other.backend, SupportsMembership):
        members = under_test.needs(SupportsMembership, other)
        changes["an entry and a leave of a member"] = lambda: members.leave(members.enter(b"", TTL))
    if isinstance(other.backend, SupportsStore):
        store = under_test.needs(SupportsStore, other).store("a")
        changes["a set of a key"] = lambda: store.set("a", b"1")
    return changes


def _all_of(register: Register) -> Callable[[], object]:
    """Return what creates, updates and deletes the state of another register."""

    def change() -> None:
        register.write(b"updated", register.write(b"created"))
        if isinstance(register.backend, SupportsDelete):
            that(register.delete_state(), "delete_state() of what is there gave False")

    return change


def _come_and_go(under_test: BackendUnderTest, run_id: str) -> None:
    another = under_test.open(run_id)
    with contextlib.closing(another):
        another.get_state()

"""RDZV-WATCH-1 to 3, MEMBER-7, STORE-2 and 9: "as soon as" is the time of a message, not of the next look."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.wakes import Kind, Wait, Wakes
from rdzv_conformance.suite.changes import PREFIX, Changes
from rdzv_conformance.suite.colleague import Colleague
from rdzv_core import Store, SupportsDelete, SupportsMembership, SupportsStore, SupportsWatch

Party = Callable[[str], Any]
"""Makes the `Changes` of a run."""

ELSEWHERE = " by another process"

WRITES = {
    "a write": b"changed",
    "a write of nothing": b"",
    "a write of 9000 bytes": bytes(9000),
    "a write of 100 KiB": b"x" * 102_400,
}
"""Some stores announce a change in a message, with what was written in it: of 8000 bytes, say."""
TO_A_SIBLING, TO_A_LONG_NAME = "a write to a sibling", "a write to a run with a long name"
DELETIONS = ("a deletion", "a deletion with the current token")
LONG_NAME = "-ü/" + "x" * 80


class Promptness:
    """Each kind of change wakes who waits for it, whoever makes it."""

    @early
    @clause("RDZV-WATCH-1", "RDZV-WATCH-2", "RDZV-WATCH-3")
    def test_RDZV_WATCH_1_a_change_wakes_who_waits(self, under_test: BackendUnderTest) -> None:
        """Typically wait_state ends with the write or deletion, not with a look that comes later."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        deletes = isinstance(register.backend, SupportsDelete)
        whats = ["a write", *(["a first write", "a deletion"] if deletes else [])]
        odd = [*WRITES, TO_A_SIBLING, TO_A_LONG_NAME, *(DELETIONS if deletes else [])]
        with _parties(under_test) as parties:
            # The odd ones by the last party alone: what does not wake another process's wait may wake one here.
            farthest = dict([[*parties.items()][-1]])
            each = [
                *_each(under_test, whats, parties),
                *_each(under_test, [what for what in odd if what not in whats], farthest),
            ]
            kinds = [
                _of_the_register(what, f"{what}{whose}", under_test.open(run_id), party(run_id))
                for run_id, what, whose, party in each
            ]
            Wakes(under_test, register.get_state).judge(kinds)

    @early
    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_a_change_wakes_who_waits(self, under_test: BackendUnderTest) -> None:
        """Typically wait_members ends with the entry, update or leave, not with a look that comes later."""
        register = under_test.open()
        under_test.needs(SupportsMembership, register)
        with _parties(under_test) as parties:
            kinds = [
                _of_a_member(
                    what,
                    f"{what}{whose}",
                    under_test.needs(SupportsMembership, under_test.open(run_id)),
                    party(run_id),
                )
                for run_id, what, whose, party in _each(under_test, ["an enter", "an update", "a leave"], parties)
            ]
            Wakes(under_test, register.get_state).judge(kinds)

    @early
    @clause("RDZV-STORE-2", "RDZV-STORE-9")
    def test_RDZV_STORE_9_a_key_wakes_who_waits(self, under_test: BackendUnderTest) -> None:
        """Typically get, multi_get and wait end with what sets the key, whichever call that is."""
        register = under_test.open()
        store = under_test.needs(SupportsStore, register).store(PREFIX)
        with _parties(under_test) as parties:
            kinds = [
                _of_a_key(call, wait, what, whose, changes)
                for whose, party in parties.items()
                for changes in [party(under_test.run_id)]
                for call, wait in _waits(store).items()
                for what in (["set"] if call != "get" or whose else ["set", "multi_set", "compare_set", "add"])
            ]
            Wakes(under_test, register.get_state).judge(kinds)


class _There:
    """What another process does with a run."""

    def __init__(self, colleague: Colleague, run_id: str) -> None:
        self._colleague, self._run_id = colleague, run_id

    def __getattr__(self, what: str) -> Callable[..., None]:
        return lambda *arguments: self._colleague.change(self._run_id, what, *arguments)


@contextmanager
def _parties(under_test: BackendUnderTest) -> Iterator[dict[str, Party]]:
    """Those who make changes, by what is said of them: this process, and another one where that can be."""
    here = {"": lambda run_id: Changes(under_test, run_id)}
    if not under_test.shared_by_processes():
        yield here
        return
    with Colleague(under_test) as colleague:
        yield {**here, ELSEWHERE: lambda run_id: _There(colleague, run_id)}


def _each(
    under_test: BackendUnderTest, whats: list[str], parties: dict[str, Party]
) -> Iterator[tuple[str, str, str, Party]]:
    """Every kind of change by every party, each on a run of its own: nobody is woken by another kind."""
    for whose, party in parties.items():
        for what in whats:
            run_id = f"{under_test.run_id}-{what}{whose}".replace(" ", "-")
            yield run_id + (LONG_NAME if what == TO_A_LONG_NAME else ""), what, whose, party


def _of_the_register(what: str, told: str, register: Register, changes: Any) -> Kind:
    seen: list[Any] = [None]
    if what == TO_A_SIBLING:
        register = register.sibling(PREFIX)

    def arm() -> Wait:
        found = register.get_state()
        if what == "a first write":
            if found is not None:
                register.delete_state()
            return lambda timeout: register.wait_state(None, timeout)
        token = seen[0] = register.write(b"there") if found is None else found.token
        return lambda timeout: register.wait_state(token, timeout)

    def change() -> None:
        if what == "a first write":
            changes.write(b"first", None)
        elif what in DELETIONS:
            changes.delete(*([] if what == DELETIONS[0] else [seen[0]]))
        elif what == TO_A_SIBLING:
            changes.write_to_sibling(b"changed", seen[0])
        else:
            changes.write(WRITES.get(what, b"changed"), seen[0])

    number = 2 if what == "a first write" else 3 if what in DELETIONS else 1
    return Kind(told, f"wait_state({'None' if number == 2 else 'current token'})", f"RDZV-WATCH-{number}", arm, change)


def _of_a_member(what: str, told: str, members: SupportsMembership, changes: Any) -> Kind:
    turns = [0]

    def arm() -> Wait:
        turns[0] += 1
        if what == "an enter":
            changes.leave()
        elif what == "a leave" or turns[0] == 1:
            changes.enter()
        version = members.members().version
        return lambda timeout: members.wait_members(version, timeout)

    change: Callable[[], object] = {
        "an enter": lambda: changes.enter(),
        "an update": lambda: changes.update(b"%d" % turns[0]),
        "a leave": lambda: changes.leave(),
    }[what]
    return Kind(told, "wait_members(current version)", "RDZV-MEMBER-7", arm, change)


def _waits(store: Store) -> dict[str, Callable[[str, float], object]]:
    return {
        "get": store.get,
        "multi_get": lambda key, timeout: store.multi_get([key], timeout),
        "wait": lambda key, timeout: store.wait([key], timeout),
    }


def _of_a_key(call: str, wait: Callable[[str, float], object], what: str, whose: str, changes: Any) -> Kind:
    told = f"{'an' if what == 'add' else 'a'} {what}{whose}"
    turns = [0]

    def arm() -> Wait:
        turns[0] += 1
        key = f"{call} {what}{whose} {turns[0]}"
        return lambda timeout: wait(key, timeout)

    def change() -> None:
        getattr(changes, what)(f"{call} {what}{whose} {turns[0]}")

    number = 2 if what == "set" else 9
    return Kind(told, f"{call} of a store", f"RDZV-STORE-{number}", arm, change)

"""RDZV-CONN-10, MEMBER-1 and STORE-12: members and stores on both sides of a fork at once."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.suite.child import Child, limit_of, ready_to_fork
from rdzv_conformance.suite.forks import needs_forks
from rdzv_conformance.suite.pairs import two_members, two_stores
from rdzv_conformance.suite.processes import in_another_process
from rdzv_core import RendezvousConnectionError, Store, SupportsMembership, SupportsStore

TTL = 600.0
CHILDREN = 2
MOST, LEAST, SECONDS = 40, 3, 0.2
"""Turns of each side, by how long they may take."""
PREFIX = "forks"
SOON = 5.0


class MemberForks:
    """What holds for the register of a process that forks holds for its members and stores."""

    @clause("RDZV-CONN-10", "RDZV-MEMBER-1")
    def test_RDZV_CONN_10_both_sides_of_a_fork_enter_as_members_of_their_own(
        self, under_test: BackendUnderTest
    ) -> None:
        """Parent and children enter at once, each by its instance from before the fork, and by a new one."""
        _, other = two_members(under_test)
        needs_forks(under_test)
        ids = in_another_process(under_test, "fork_and_enter")["ids"]
        equal("the number of different ids that members on both sides of a fork have", len({*ids}), len(ids))
        found = [each.id for each in other.members().members]
        equal("the members that entered on both sides of a fork", sorted(found), sorted(ids))

    @clause("RDZV-CONN-10", "RDZV-STORE-12")
    def test_RDZV_CONN_10_both_sides_of_a_fork_add_and_lose_nothing(self, under_test: BackendUnderTest) -> None:
        """Parent and children add and set at once, with the store from before the fork, and with a new one."""
        _, other = two_stores(under_test, PREFIX)
        needs_forks(under_test)
        told = in_another_process(under_test, "fork_and_add")
        done, unknown = told["sums"], told["unknown"]
        equal("how many different sums add gave on both sides of a fork", len({*done}), len(done))
        found = int(other.get("number", under_test.paced(SOON)))
        that(
            len(done) <= found <= len(done) + unknown,
            f"on both sides of a fork 1 was added {len(done)} times, and the sum is {found}",
        )


class _Added(NamedTuple):
    sums: list[int]
    unknown: int


def fork_and_enter(under_test: BackendUnderTest, say: Say) -> None:
    """Fork, let members enter in the children and here, and say their ids."""
    members = cast("SupportsMembership", ready_to_fork(under_test, say).backend)
    ids = [members.enter(b"before the fork", TTL).id]

    def enter(backend: SupportsMembership) -> list[str]:
        found = [each.id for each in backend.members().members]
        that(ids[-1] in found, "members() in the child of a fork is without a member that had entered in its parent")
        return [backend.enter(b"forked", TTL).id for _ in _turns()]

    def enter_in_a_child() -> list[str]:
        return [*_unless_refused(lambda: enter(members), []), *enter(_new(under_test))]

    children = [Child(enter_in_a_child, limit_of(under_test)) for _ in range(CHILDREN)]
    for child in children:
        child.begin()
    ids += [members.enter(b"parent", TTL).id for _ in _turns()]
    say("done", ids=[*ids, *(member for child in children for member in child.result())])


def fork_and_add(under_test: BackendUnderTest, say: Say) -> None:
    """Fork, add 1 to a number and set keys in the children and here, and say what add gave."""
    store = cast("SupportsStore", ready_to_fork(under_test, say).backend).store(PREFIX)
    sums = [store.add("number", 1)]
    store.set("key", b"before the fork")
    limit = under_test.paced(SOON)

    def add_in_a_child(number: int) -> _Added:
        told: list[int] = []
        refused = _unless_refused(lambda: _add(store, f"child {number}", told, limit), 1)
        _add(_new(under_test).store(PREFIX), f"new of child {number}", told, limit)
        return _Added(told, refused or 0)

    children = [Child(lambda number=number: add_in_a_child(number), limit_of(under_test)) for number in range(CHILDREN)]  # type: ignore[misc]
    store.set("key", b"after the fork")
    for child in children:
        child.begin()
    _add(store, "parent", sums, limit)
    added = [_Added(*child.result()) for child in children]
    say("done", sums=[*sums, *(each for one in added for each in one.sums)], unknown=sum(one.unknown for one in added))


def _add(store: Store, name: str, told: list[int], limit: float) -> None:
    equal("a key that was set after a fork, read on one side of it,", store.get("key", limit), b"after the fork")
    for number in _turns():
        told.append(store.add("number", 1))
        key, value = f"of the {name}", b"%d of the %s" % (number, name.encode())
        store.set(key, value)
        equal("a value that was set on one side of a fork", store.get(key, limit), value)


def _turns() -> Iterator[int]:
    ends = time.monotonic() + SECONDS
    for turn in range(MOST):
        if turn >= LEAST and time.monotonic() > ends:
            return
        yield turn


def _new(under_test: BackendUnderTest) -> Any:
    return under_test.open().backend


def _unless_refused(call: Callable[[], Any], refused: Any) -> Any:
    """Call; a child may be refused what it has inherited."""
    try:
        return call()
    except RendezvousConnectionError:
        return refused

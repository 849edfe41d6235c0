"""The reference backend: A1 to A8, and what the reference got wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_conformance import RendezvousBackendTestMixin

from rdzv_core import (
    BackendRegistry,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
)
from rdzv_core.envelope import seal
from rdzv_core.memory import MemoryBackend, MemoryHub

MakeMemory = Callable[..., MemoryBackend]


class TestMemoryBackend(RendezvousBackendTestMixin):
    """A1 to A8 on memory."""

    _backend: MemoryBackend

    def setUp(self) -> None:
        self._backend = MemoryBackend(RendezvousParameters("memory", "", "run", 1, 2), MemoryHub())

    def tearDown(self) -> None:
        self._backend.close()

    def _corrupt_state(self) -> None:
        self._backend.hub.raw[self._backend.key] = b"junk"


@pytest.fixture
def backend(make_memory: MakeMemory) -> MemoryBackend:
    """A memory backend on a hub of the test's own."""
    return make_memory()


def write(backend: MemoryBackend, state: bytes) -> bytes:
    there = backend.get_state()
    result = backend.set_state(state, there.token if there else None)
    assert result is not None
    assert result.has_set
    assert isinstance(result.token, bytes)
    return result.token


def test_it_is_found_by_its_entry_point(make_params: Callable[..., RendezvousParameters]) -> None:
    """`backend="memory"` needs no plugin, any endpoint is good, and equal endpoints meet."""
    registry = BackendRegistry()
    one, same, other = (registry.create(make_params(endpoint=endpoint)) for endpoint in ("", "", "elsewhere"))
    one.set_state(b"x")
    there = same.get_state()
    assert there is not None
    assert (there[0], other.get_state()) == (b"x", None)
    assert isinstance(one, MemoryBackend)
    one.delete_state()
    for backend in (one, same, other):
        backend.close()


def test_E1_a_token_is_not_revived_by_its_value(backend: MemoryBackend) -> None:
    """E1: after A, B, A the first token is refused."""
    first = write(backend, b"A")
    write(backend, b"B")
    third = write(backend, b"A")
    assert SetStateResult(b"A", third, False) == backend.set_state(b"C", first)


def test_E1_a_token_is_not_revived_by_deleting_the_state(backend: MemoryBackend) -> None:
    """E1: a token of a state that was deleted and created again is refused."""
    first = write(backend, b"A")
    assert backend.delete_state(first)
    second = write(backend, b"A")
    assert SetStateResult(b"A", second, False) == backend.set_state(b"C", first)
    assert not backend.delete_state(first)


def test_E2_of_two_writers_of_equal_bytes_one_wins(backend: MemoryBackend) -> None:
    """E2: has_set tells who wrote, not what was written."""
    token = write(backend, b"A")
    barrier = threading.Barrier(8)

    def compete(_: int) -> SetStateResult | None:
        barrier.wait()
        return backend.set_state(b"same", token)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(compete, range(8)))
    assert [result.has_set for result in results if result and result.has_set] == [True]


@pytest.mark.parametrize("state", [b"", b"canimadam", b"\0", b"\xff\xfe", b"\n\r\n", bytes(range(256)), b"rdzv1 "])
def test_E3_E4_no_state_is_special(state: bytes, backend: MemoryBackend, make_memory: MakeMemory) -> None:
    """E3, E4: the empty state, the reference's sentinel and any other bytes are states like any other."""
    token = write(backend, state)
    assert StateSnapshot(state, token) == make_memory().get_state()
    assert SetStateResult(state, token, False) == backend.set_state(b"other")
    updated = backend.set_state(b"next", token)
    assert updated is not None
    assert updated.has_set


@pytest.mark.parametrize("token", [b"\xff\xfe", b"x" * 16, "", b"", 0, (), False, ("a", 1), 1.5, object()])
def test_E5_a_foreign_token_of_any_type_changes_nothing(token: Any, backend: MemoryBackend) -> None:
    """E5: a token of any type and bytes is refused like a stale one; if there is no state, it returns None."""
    assert backend.set_state(b"y", token) is None
    current = write(backend, b"x")
    assert SetStateResult(b"x", current, False) == backend.set_state(b"y", token)
    assert not backend.delete_state(token)


def test_a_token_whose_comparison_lies_is_refused(backend: MemoryBackend) -> None:
    """A token of a foreign type has no say in whether it is the current one."""

    class Liar:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = object.__hash__

    write(backend, b"x")
    refused = backend.set_state(b"y", Liar())  # type: ignore[arg-type]
    assert refused is not None
    assert not refused.has_set


def test_E6_a_state_that_is_too_long_is_refused_and_nothing_else_happens(backend: MemoryBackend) -> None:
    """E6: over `max_state_bytes` is a ValueError that writes nothing; the next call works, up to the limit."""
    with pytest.raises(ValueError, match=str(backend.max_state_bytes + 1)):
        backend.set_state(bytes(backend.max_state_bytes + 1))
    assert backend.get_state() is None
    write(backend, bytes(backend.max_state_bytes))


def test_E7_where_the_state_has_vanished_a_conditional_write_gives_none(backend: MemoryBackend) -> None:
    """E7: a token where there is no state writes nothing and returns None."""
    token = write(backend, b"x")
    assert backend.delete_state()
    assert backend.set_state(b"y", token) is None
    assert backend.get_state() is None
    assert not backend.delete_state()


def test_E8_a_waiting_call_holds_up_no_other(backend: MemoryBackend) -> None:
    """E8: reading an absent state does not wait, and while one thread waits for it, others read and write."""
    assert backend.get_state() is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(backend.wait_state, None, 60.0)
        token = write(backend, b"x")
        assert waiting.result(10) == (True, StateSnapshot(b"x", token))


@pytest.mark.parametrize("raw", [b"", b"junk", seal(b"x")[:-1], seal(b"x") + b"y", b"\0" * 100])
def test_corrupt_storage_is_left_as_it_is(raw: bytes, backend: MemoryBackend) -> None:
    """Corrupt storage is a RendezvousStateError to read and to write, is never overwritten, and can be deleted."""
    token = write(backend, b"x")
    backend.hub.raw[backend.key] = raw
    for call in (
        backend.get_state,
        lambda: backend.set_state(b"y"),
        lambda: backend.set_state(b"y", token),
        lambda: backend.delete_state(token),
        lambda: backend.wait_state(token, 60),
    ):
        with pytest.raises(RendezvousStateError):
            call()
    assert backend.hub.raw[backend.key] == raw
    assert backend.delete_state()
    assert backend.get_state() is None


def test_no_update_of_many_threads_is_lost(backend: MemoryBackend, make_memory: MakeMemory) -> None:
    """Eight threads on two instances count to 400 together."""
    other = make_memory()
    backend.set_state(b"0")

    def count(mine: MemoryBackend) -> None:
        done = 0
        while done < 50:
            there = mine.get_state()
            assert there is not None
            result = mine.set_state(b"%d" % (int(there.state) + 1), there.token)
            assert result is not None
            done += result.has_set

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, [backend, other] * 4))
    there = backend.get_state()
    assert there is not None
    assert there.state == b"400"


def test_E10_runs_and_purposes_do_not_meet(make_memory: MakeMemory) -> None:
    """E10: runs with look-alike names, and siblings, are registers of their own; instances of one run share theirs."""
    runs = [make_memory(run_id) for run_id in ("job", "Job", "job.0", "job.0/x", "job/", "..", "job\0")]
    registers = [register for run in runs for register in (run, run.sibling("a"), run.sibling("b"))]
    for number, register in enumerate(registers):
        write(register, b"%d" % number)
    for number, register in enumerate(registers):
        there = register.get_state()
        assert there is not None
        assert there.state == b"%d" % number
    again = make_memory("job").sibling("a").get_state()
    assert again is not None
    assert again.state == b"1"


def test_a_wait_without_a_change_ends_at_its_timeout(backend: MemoryBackend) -> None:
    """wait_state gives (False, what is there) when nothing changed, at once for a timeout of nothing."""
    assert backend.wait_state(None, 0) == (False, None)
    token = write(backend, b"x")
    assert backend.wait_state(token, 0.01) == (False, StateSnapshot(b"x", token))
    assert backend.wait_state(token, -1) == (False, StateSnapshot(b"x", token))


def test_a_wait_returns_at_once_where_the_token_differs_already(backend: MemoryBackend) -> None:
    """Any token but the current one is a change; so is a state that is gone."""
    first = write(backend, b"x")
    second = write(backend, b"y")
    for token in (first, None, "foreign", 0):
        assert backend.wait_state(token, 60) == (True, StateSnapshot(b"y", second))
    backend.delete_state()
    assert backend.wait_state(second, 60) == (True, None)


def test_deletion_ends_a_wait(backend: MemoryBackend) -> None:
    """Deletion is a change."""
    token = write(backend, b"x")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(backend.wait_state, token, 60.0)
        backend.delete_state(token)
        assert waiting.result(10) == (True, None)


def test_closing_ends_waits_and_every_later_call(backend: MemoryBackend, make_memory: MakeMemory) -> None:
    """close is idempotent, ends blocked calls, and disturbs neither siblings nor other instances."""
    lease = backend.enter(b"", 10)
    store = backend.store("s")
    sibling = backend.sibling("other")
    version = backend.members().version
    token = write(backend, b"x")
    with ThreadPoolExecutor(3) as pool:
        waiting: list[Future[Any]] = [
            pool.submit(backend.wait_state, token, 60.0),
            pool.submit(backend.wait_members, version, 60.0),
            pool.submit(store.get, "k", 60.0),
        ]
        backend.close()
        for each in waiting:
            with pytest.raises(RendezvousConnectionError, match=r"'memory' .* closed"):
                each.result(10)
    backend.close()
    calls: list[Callable[[], Any]] = [
        backend.get_state,
        lambda: backend.set_state(b"y"),
        backend.delete_state,
        lambda: backend.wait_state(None, 0),
        lambda: backend.enter(b"", 1),
        lambda: backend.update(lease, b""),
        lambda: backend.refresh(lease),
        lambda: backend.leave(lease),
        backend.members,
        lambda: backend.first(1),
        backend.count,
        lambda: backend.wait_members(None, 0),
        lambda: backend.store("s"),
        store.num_keys,
        lambda: store.set("k", b""),
        lambda: store.get("k", 0),
    ]
    for call in calls:
        with pytest.raises(RendezvousConnectionError, match=r"'memory' .* closed"):
            call()
    assert sibling.get_state() is None
    assert make_memory().get_state() == StateSnapshot(b"x", token)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_told_and_does_not_hang(backend: MemoryBackend) -> None:
    """After a fork the child's calls raise, even where a thread of the parent held the lock; the parent goes on."""
    out, into = os.pipe()
    with backend.hub.changed:
        pid = os.fork()
        if pid == 0:
            try:
                backend.get_state()
            except RendezvousConnectionError as error:
                os.write(into, str(error).encode())
            backend.close()
            os._exit(0)
    assert os.waitpid(pid, 0) == (pid, 0)
    os.close(into)
    with os.fdopen(out) as said:
        assert "memory is of one process" in said.read()
    write(backend, b"x")


def test_an_older_write_of_a_member_is_ignored(backend: MemoryBackend, clock: Any) -> None:
    """A member's write that arrives after a later one changes neither payload nor lease, and is not an error."""
    lease = backend.enter(b"first", 10)
    assert backend.write_member(lease.id, 2, b"second")
    before = backend.members()
    clock.advance(6)
    assert backend.write_member(lease.id, 1, b"late")
    assert backend.write_member(lease.id, 2, b"twice")
    assert backend.members() == before
    clock.advance(4)
    assert not backend.refresh(lease)


def test_a_store_that_lost_its_memberships_has_a_new_incarnation(backend: MemoryBackend) -> None:
    """Members of an earlier incarnation are not there, and learn that they are not."""
    lease = backend.enter(b"", 10)
    before = backend.members()
    backend.hub.lose_members(backend.run)
    after = backend.members()
    assert after.members == ()
    assert after.incarnation != before.incarnation == lease.incarnation
    assert after.version != before.version
    assert not backend.refresh(lease)


def test_the_loss_of_a_run_s_memberships_is_no_other_run_s(make_memory: MakeMemory) -> None:
    """A test that takes one run's members away disturbs none beside it."""
    one, other = make_memory(run_id="one"), make_memory(run_id="other")
    assert one.hub is other.hub
    for each in (one, other):
        each.enter(b"", 10)
    one.hub.lose_members(one.run)
    assert (one.count(), other.count()) == (0, 1)


def test_waiting_members_see_a_lease_run_out(make_params: Callable[..., RendezvousParameters]) -> None:
    """A lease that runs out ends a wait, with no other look."""
    backend = MemoryBackend(make_params(), MemoryHub())
    backend.enter(b"", 0.05)
    assert backend.wait_members(backend.members().version, 60)
    assert backend.count() == 0
    backend.close()


def test_its_store_keeps_prefixes_and_runs_apart(make_memory: MakeMemory) -> None:
    """Stores of other prefixes, runs and purposes share no key; those of one do."""
    backend = make_memory()
    backend.store("a").set("k", b"1")
    assert [store.num_keys() for store in (backend.store("b"), make_memory("other").store("a"))] == [0, 0]
    for same in (make_memory(), backend.sibling("x")):
        assert same.store("a").get("k", 0) == b"1"

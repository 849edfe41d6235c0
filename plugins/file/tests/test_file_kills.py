"""SIGKILL at every step of a write and of a membership: what was acknowledged stays, and nothing is held."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rdzv_core import RendezvousBackend, SupportsSubmit

TTL = 600.0
STEPS = {
    "after the lock": (fcntl, "flock"),
    "at a cut": (os, "ftruncate"),
    "at a write of a record": (os, "pwrite"),
    "at a write of the temp file": (os, "write"),
    "at a sync": (os, "fsync"),
    "at a link": (os, "link"),
    "at a rename": (os, "replace"),
    "at a deletion": (os, "unlink"),
    "at a refresh": (os, "utime"),
    "at a close": (os, "close"),
    "at an open": (os, "open"),
}
KILLS_OF_EACH = 5

Change = Callable[[RendezvousBackend], object]


def _change_register(backend: RendezvousBackend) -> None:
    state, token = backend.get_state()
    assert backend.set_state(b"%d" % (int(state) + 1), token).has_set


def _delete_register(backend: RendezvousBackend) -> None:
    other = backend.sibling("other")
    other.set_state(b"x")
    other.delete_state()


def _enter(backend: RendezvousBackend) -> None:
    backend.leave(backend.enter(b"killed", TTL))


def _update(backend: RendezvousBackend) -> None:
    lease = backend.enter(b"killed", TTL)
    for number in range(3):
        backend.update(lease, b"%d" % number)
        backend.refresh(lease)


def _evict(backend: RendezvousBackend) -> None:
    lease = backend.enter(b"overdue", 1e-6)
    for _ in range(5):
        backend.wait_members(backend.members().version, 0.001)
    assert not backend.refresh(lease)


def _store(backend: RendezvousBackend) -> None:
    store = backend.store("round")
    store.add("n", 1)
    store.multi_set({"a": b"1" * 1000, "b": b"2" * 1000})
    store.delete_key("a")


def _submit(backend: RendezvousBackend) -> None:
    """As a handler does: on the threads that all of a process share."""
    lease = _submitted(backend, "enter", b"killed", TTL)
    for number in range(3):
        assert _submitted(backend, "update", lease, b"%d" % number)
        assert _submitted(backend, "refresh", lease)


def _submitted(backend: RendezvousBackend, method: str, *arguments: object) -> object:
    ended: queue.SimpleQueue[tuple[object, Exception | None]] = queue.SimpleQueue()
    assert isinstance(backend, SupportsSubmit)
    backend.submit(method, arguments, lambda *end: ended.put(end))
    result, error = ended.get(timeout=30)
    assert error is None
    return result


CHANGES: dict[str, Change] = {
    "write": _change_register,
    "delete": _delete_register,
    "enter": _enter,
    "update": _update,
    "submit": _submit,
    "evict": _evict,
    "store": _store,
}


def _killed(change: Change, backend: RendezvousBackend, where: tuple[object, str], count: int, before: bool) -> bool:
    """Do it in a child that kills itself before, or after, its call number `count`; False if there were fewer."""
    child = os.fork()
    if child == 0:
        module, name = where
        real, left = getattr(module, name), [count]

        def call(*arguments, **how):
            left[0] -= 1
            if left[0] == 0 and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **how)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, call)
        try:
            change(backend)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("endpoint", ["directory", pytest.param("one file", marks=pytest.mark.cases)], indirect=True)
@pytest.mark.parametrize("what", CHANGES)
def test_a_process_killed_at_any_step_leaves_everything_whole(endpoint, open_backend, what):
    """Each step, the first few times that it comes: the others go on at once, a live member stays, and what a killed
    process was about to do is done or not."""
    backend = open_backend(endpoint, lock_timeout=5)
    backend.set_state(b"0")
    alive = backend.enter(b"alive", TTL)
    backend.store("round").set("kept", b"here")
    kills = 0
    for where in STEPS.values():
        for count in range(1, KILLS_OF_EACH + 1):
            for before in (True, False):
                if not _killed(CHANGES[what], backend, where, count, before):
                    continue
                kills += 1
                state, token = backend.get_state()
                assert backend.set_state(b"%d" % (int(state) + 1), token).has_set
                assert backend.refresh(alive)
                fresh = backend.enter(b"fresh", TTL)
                members = backend.members().members
                assert (members[0].id, members[-1].id) == (alive.id, fresh.id)
                backend.leave(fresh)
                store = open_backend(endpoint).store("round")
                assert store.get("kept", 0) == b"here"
                store.add("after", 1)
                here = Path(endpoint).parent
                # That of another register goes with the next write of that one.
                assert [file for file in here.rglob("*.tmp") if ".other." not in file.name] == []
    assert kills >= 25  # 300 and more of all kinds, in a directory and in one file
    assert backend.store("round").get("after", 0) == b"%d" % kills


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_value_that_was_acknowledged_is_there_after_a_kill(endpoint, open_backend, count):
    """The state after a kill is the one before that write, or that write's: never another, never none."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"0")
    for number, where in enumerate([*STEPS.values()] * 2):
        before = int(backend.get_state()[0])
        _killed(_change_register, backend, where, count, bool(number % 2))
        state, token = open_backend(endpoint).get_state()
        assert int(state) in (before, before + 1)
        assert backend.get_state() == (state, token)

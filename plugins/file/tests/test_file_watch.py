"""Waiting for a change."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from rdzv_core import (
    RendezvousConnectionError,
    RendezvousError,
    RendezvousStateError,
    SupportsDelete,
    SupportsMembership,
    SupportsWatch,
)


class _Waiting(threading.Thread):
    """A wait_state on a thread, with its outcome."""

    def __init__(self, backend, token, timeout=30.0):
        super().__init__()
        self._call = lambda: backend.wait_state(token, timeout)
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self._call()
        except RendezvousError as error:
            self.error = error

    def outcome(self):
        self.join(20)
        assert not self.is_alive()
        return self.result


def test_the_backend_says_what_it_can(endpoint, open_backend):
    """Watch, deletion and membership are its own."""
    backend = open_backend(endpoint)
    assert isinstance(backend, SupportsWatch)
    assert isinstance(backend, SupportsDelete)
    assert isinstance(backend, SupportsMembership)


def test_a_wait_returns_at_once_where_the_token_differs_already(endpoint, open_backend):
    """A stale, foreign or malformed token differs; so does any token where there is no state."""
    backend = open_backend(endpoint)
    assert backend.wait_state(b"gone", 30) == (True, None)
    assert backend.wait_state("", 30) == (True, None)
    _, old, _ = backend.set_state(b"x")
    _, new, _ = backend.set_state(b"y", old)
    for token in (None, old, "invalid", 0, b"\xff"):
        assert backend.wait_state(token, 30) == (True, (b"y", new))


def test_a_wait_without_a_change_ends_after_its_timeout_and_not_before(endpoint, open_backend):
    """It returns the state, which has not changed."""
    backend = open_backend(endpoint)
    began = time.monotonic()
    assert backend.wait_state(None, 0.3) == (False, None)
    assert 0.3 <= time.monotonic() - began < 10
    _, token, _ = backend.set_state(b"x")
    assert backend.wait_state(token, 0.0) == (False, (b"x", token))
    assert backend.wait_state(token, -1.0) == (False, (b"x", token))


def test_a_wait_ends_with_a_creation_a_change_and_a_deletion(endpoint, open_backend):
    """Each is a change, seen by a waiter on another instance."""
    backend, watcher = open_backend(endpoint), open_backend(endpoint)
    creation = _Waiting(watcher, None)
    _, first, _ = backend.set_state(b"x")
    assert creation.outcome() == (True, (b"x", first))
    change = _Waiting(watcher, first)
    _, second, _ = backend.set_state(b"x", first)
    assert change.outcome() == (True, (b"x", second))
    deletion = _Waiting(watcher, second)
    backend.delete_state()
    assert deletion.outcome() == (True, None)


def test_a_change_of_another_register_wakes_nobody(endpoint, open_backend):
    """In one file with others, a register's waiter sleeps on while those change."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    waiting = _Waiting(open_backend(endpoint), token, timeout=0.5)
    sibling = backend.sibling("members")
    theirs = None
    while waiting.is_alive():
        _, theirs, _ = sibling.set_state(b"y", theirs)
    assert waiting.outcome() == (False, (b"x", token))


def test_no_change_is_missed_however_fast_writes_of_equal_length_follow(endpoint, open_backend):
    """A writer that goes on only when its last write was seen never waits in vain: no time stamp decides."""
    backend, watcher = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = backend.set_state(b"0")
    seen: queue.Queue[object] = queue.Queue()

    def follow(current: object) -> None:
        for _ in range(200):
            changed, snapshot = watcher.wait_state(current, 20)
            current = snapshot.token if changed else None
            seen.put(current)

    thread = threading.Thread(target=follow, args=(token,))
    thread.start()
    for _ in range(200):
        _, token, _ = backend.set_state(b"0", token)
        assert seen.get(timeout=30) == token
    thread.join(20)
    assert not thread.is_alive()


def test_a_wait_on_what_gets_damaged_is_a_state_error(endpoint, open_backend):
    """Damage is a change too, and is reported as an error."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    waiting = _Waiting(open_backend(endpoint), token)
    backend.raw_store.set(backend.key, b"damage")
    waiting.outcome()
    assert isinstance(waiting.error, RendezvousStateError)


def test_close_ends_a_wait_within_a_second(endpoint, open_backend):
    """The waiter learns that its backend was closed; a sibling's wait goes on."""
    backend = open_backend(endpoint)
    sibling = backend.sibling("members")
    waiting, other = _Waiting(backend, None), _Waiting(sibling, None)
    backend.close()
    waiting.join(5)
    assert isinstance(waiting.error, RendezvousConnectionError)
    sibling.set_state(b"x")
    assert other.outcome()[0]


@pytest.mark.parametrize("waiters", [8])
def test_waits_hold_up_no_other_call(endpoint, open_backend, waiters):
    """Many threads wait on one instance while others read and write on it."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    waiting = [_Waiting(backend, token) for _ in range(waiters)]
    assert backend.get_state() == (b"x", token)
    _, token, _ = backend.set_state(b"y", token)
    assert [waiter.outcome() for waiter in waiting] == [(True, (b"y", token))] * waiters

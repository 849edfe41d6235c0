"""The lock: who may write, and what happens when its holder stops, dies, forks, or is closed."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from rdzv_file._turns import Turns

from rdzv_core import RendezvousConnectionError

HOLD_THE_LOCK = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
with backend.raw_store.locked(backend.key) as slot:
    if sys.argv[2] == "half-written":
        open(slot.temporary, "wb").write(b"half")
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_a_stopped_lock_holder_is_named_after_the_lock_timeout_and_harms_no_reader(endpoint, open_backend, start):
    """A writer gives up after lock_timeout with an error that names path and pid; once the holder goes on, so do we."""
    backend = open_backend(endpoint, lock_timeout=0.2)
    _, token, _ = backend.set_state(b"x")
    holder = start(HOLD_THE_LOCK, endpoint, "idle")
    assert holder.stdout.readline() == "holding\n"
    holder.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match=f"process {holder.pid} on .* holds it") as caught:
        backend.set_state(b"y", token)
    assert 0.2 <= time.monotonic() - began < 10
    assert f"file backend at {endpoint!r}: no lock on " in str(caught.value)
    assert isinstance(caught.value.__cause__, BlockingIOError)
    with pytest.raises(RendezvousConnectionError, match="lock"):
        backend.delete_state()
    assert backend.get_state() == (b"x", token)
    holder.send_signal(signal.SIGCONT)
    holder.communicate("go on\n", timeout=30)
    assert holder.returncode == 0
    assert backend.set_state(b"y", token).has_set


def test_a_stopped_writer_of_one_register_holds_up_no_other_register_of_a_directory(tmp_path, open_backend, start):
    """A node that is stopped while it renews its lease does not make the others lose theirs."""
    endpoint = f"{tmp_path}/store/"
    stopped, others = open_backend(endpoint), [open_backend(endpoint, f"run-{n}", lock_timeout=20) for n in range(3)]
    assert len({other.raw_store.lock_of(other.key) for other in (stopped, *others)}) == 4
    holder = start(HOLD_THE_LOCK, endpoint, "idle")
    assert holder.stdout.readline() == "holding\n"
    holder.send_signal(signal.SIGSTOP)
    assert all(other.set_state(b"x").has_set for other in others)
    holder.send_signal(signal.SIGCONT)


def test_the_read_timeout_bounds_the_wait_for_the_lock_too(endpoint, open_backend):
    """With read_timeout=1 alone, a write does not wait for the lock_timeout of 30 s."""
    backend = open_backend(endpoint, read_timeout=1)
    began = time.monotonic()
    with backend.raw_store.locked(backend.key), pytest.raises(RendezvousConnectionError, match="within 1 s"):
        backend.set_state(b"x")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("way", ["idle", "half-written"])
def test_a_killed_lock_holder_leaves_no_lock_and_no_temp_file(endpoint, open_backend, start, way):
    """The lock dies with its holder, and the next writer deletes its half-written temp file."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x", backend.set_state(b"first").token)
    there = Path(endpoint) if endpoint.endswith("/") else Path(endpoint).parent
    before = sorted(there.iterdir())
    holder = start(HOLD_THE_LOCK, endpoint, way)
    assert holder.stdout.readline() == "holding\n"
    assert len(list(there.glob("*.tmp"))) == (way == "half-written")
    holder.kill()
    holder.wait(30)
    assert backend.get_state() == (b"x", token)
    assert backend.set_state(b"y", token).has_set
    assert sorted(there.iterdir()) == before


def test_a_lock_files_record_deletes_nothing_but_temp_files_of_the_store(tmp_path, open_backend):
    """Whatever somebody writes into a lock file, no other file goes."""
    (tmp_path / "store").mkdir()
    backend = open_backend(f"{tmp_path}/store/file")
    victims = [tmp_path / "precious", tmp_path / f"x.{'0' * 32}.tmp", tmp_path / "store" / "precious"]
    for victim in victims:
        victim.touch()
    records = [f"1 host {name}" for name in ("../precious", f"../x.{'0' * 32}.tmp", "precious", "file", "")]
    token = None
    for record in [*records, "1", "", "\0\0\0"]:
        (tmp_path / "store" / "file.lock").write_text(record)
        _, token, has_set = backend.set_state(b"x", token)
        assert has_set
    assert all(victim.exists() for victim in victims)


def test_a_lock_file_deleted_by_hand_is_created_again(endpoint, open_backend):
    """Deleting lock files between writes breaks nothing."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    for lock in Path(endpoint).parent.rglob("*lock*"):
        lock.unlink()
    assert backend.set_state(b"y", token).has_set


def test_a_lock_file_deleted_while_it_is_being_locked_is_no_lock(endpoint, open_backend, monkeypatch):
    """The file is deleted between opening and locking: the next writer would create another, so this one does too."""
    backend = open_backend(endpoint)
    flock, locked = fcntl.flock, []

    def flock_of_a_deleted_file(fd: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            locked.append(os.fstat(fd).st_ino)
            if len(locked) == 1:
                (lock,) = Path(endpoint).parent.rglob("*lock*")
                lock.unlink()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock_of_a_deleted_file)
    assert backend.set_state(b"x").has_set
    assert len(locked) == 2


def test_a_lock_that_comes_too_late_is_given_back(endpoint, open_backend):
    """A backend that was closed just before it got the lock does not keep it."""
    store = open_backend(endpoint, lock_timeout=0.1).raw_store
    with pytest.raises(RendezvousConnectionError, match="closed"), store.locked("key", cancelled=lambda: True):
        pass
    store.set("key", b"x")
    assert store.get("key") == b"x"


@pytest.mark.parametrize("holder", ["another thread", "another process"])
def test_close_ends_a_wait_for_the_lock(endpoint, open_backend, start, monkeypatch, holder):
    """close() in another thread ends a blocked set_state within a second; nothing is written afterwards."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    errors: list[Exception] = []
    tried = threading.Event()
    flock, wait = fcntl.flock, Turns._wait

    def noticed_flock(fd: int, operation: int) -> None:
        tried.set()
        flock(fd, operation)

    def noticed_wait(*arguments) -> None:
        if holder == "another thread":
            tried.set()
        wait(*arguments)

    def write() -> None:
        try:
            backend.set_state(b"x")
        except RendezvousConnectionError as error:
            errors.append(error)

    with ExitStack() as held:
        if holder == "another thread":
            held.enter_context(other.raw_store.locked(other.key))
        else:
            assert start(HOLD_THE_LOCK, endpoint, "idle").stdout.readline() == "holding\n"
        monkeypatch.setattr(fcntl, "flock", noticed_flock)
        monkeypatch.setattr(Turns, "_wait", noticed_wait)
        thread = threading.Thread(target=write)
        thread.start()
        assert tried.wait(20)
        backend.close()
        thread.join(5)
        assert not thread.is_alive()
    assert len(errors) == 1
    assert "closed" in str(errors[0])
    assert other.get_state() is None


def test_a_child_forked_while_a_thread_writes_works_and_holds_up_nobody(endpoint, open_backend):
    """The child reads at once and writes when the parent lets go; while it lives, the parent's lock is the parent's."""
    backend = open_backend(endpoint, lock_timeout=20)
    _, token, _ = backend.set_state(b"x")
    with backend.raw_store.locked(backend.key):
        child = os.fork()
        if child == 0:
            try:
                good = backend.get_state() == (b"x", token) and backend.set_state(b"child", token).has_set
            finally:
                os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    state, token = backend.get_state()
    assert state == b"child"
    assert backend.set_state(b"parent", token).has_set


def test_a_forked_child_does_not_keep_a_dead_parents_lock(endpoint, open_backend, start):
    """The parent is killed while it writes: its idle child, forked meanwhile, holds no share in the lock."""
    program = """
import os, sys, time
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
with backend.raw_store.locked(backend.key):
    child = os.fork()
    if child == 0:
        sys.stdin.readline()
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""
    backend = open_backend(endpoint, lock_timeout=10)
    parent = start(program, endpoint)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait(30)
    assert backend.set_state(b"x").has_set
    os.kill(child, 0)  # it lived to the end of the write
    parent.stdin.write("end\n")
    parent.stdin.flush()


def test_nothing_is_left_open_but_the_register_s_file(endpoint, open_backend):
    """No thread outlives a call, successful, refused or failed, and no other descriptor; close() closes that one."""

    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    open_backend(endpoint).set_state(b"x")
    before, threads = descriptors(), threading.active_count()
    backend = open_backend(endpoint, lock_timeout=0.01)
    token = backend.get_state().token
    _, token, _ = backend.set_state(b"y", token)
    backend.set_state(b"z", b"stale")
    backend.wait_state(token, 0.01)
    other = open_backend(endpoint, lock_timeout=0.01)
    with backend.raw_store.locked(backend.key), pytest.raises(RendezvousConnectionError):
        other.set_state(b"z", token)
    assert (descriptors(), threading.active_count()) == (before + 2, threads)
    other.close()
    backend.close()
    assert descriptors() == before

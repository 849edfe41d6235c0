"""Where a file system's locks do not exclude, that is noticed, and hardly an acknowledged write is lost."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from rdzv_file import _slot

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError

COUNT = """
import fcntl, sys
from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
fcntl.flock = lambda *_: None  # as two FUSE mounts of one directory have it
print("ready", flush=True)
sys.stdin.readline()
won = raised = 0
for _ in range(int(sys.argv[2])):
    try:
        state, token = backend.get_state() or (b"0", None)
        won += backend.set_state(b"%d" % (int(state) + 1), token).has_set
    except RendezvousConnectionError as error:
        assert "locks do not exclude here" in str(error) or "No such file" in str(error), error
        raised += 1
print(won, raised)
"""


def test_writers_are_told_where_locks_exclude_nobody(endpoint, open_backend, start):
    """Four processes count without locks: each is told, and what was acknowledged is in the register.

    Without the look at the record about 40 of 100 were lost. What can still be is what others write while one stalls
    between its look and its rename, which is then told that its write may be wrong.
    """
    processes = [start(COUNT, endpoint, "100") for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [[int(number) for number in process.communicate(timeout=120)[0].split()] for process in processes]
    assert all(raised > 0 for _, raised in told)
    assert sum(won for won, _ in told) - int(open_backend(endpoint).get_state()[0]) < 20


@pytest.mark.parametrize("when", ["before", "after"])
def test_another_holders_record_in_the_lock_file_is_an_error_that_waiting_does_not_fix(
    endpoint, open_backend, monkeypatch, when
):
    """The error names the other holder; noticed before the rename, it prevents the write."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    replace = os.replace

    def overwrite() -> None:
        (lock,) = (each for each in Path(endpoint).parent.rglob("*lock*") if each.stat().st_size > len("written\n"))
        lock.write_bytes(b"written\n77 elsewhere store.0123.tmp")

    if when == "before":
        replace_file = _slot.replace_file

        def replacing(path, temporary, content, before_rename, **how):
            return replace_file(path, temporary, content, lambda: (overwrite(), before_rename()), **how)

        monkeypatch.setattr(_slot, "replace_file", replacing)
    else:
        monkeypatch.setattr(os, "replace", lambda *paths: (replace(*paths), overwrite()))
    with pytest.raises(RendezvousConfigurationError, match="locks do not exclude here: process 77 on elsewhere holds"):
        backend.set_state(b"y", token)
    monkeypatch.undo()
    state, current = backend.get_state()
    assert state == (b"x" if when == "before" else b"y")
    assert backend.set_state(b"z", current).has_set
    assert list(Path(endpoint).parent.rglob("*.tmp")) == []


def test_a_lock_file_deleted_under_its_holder_may_pass(endpoint, open_backend):
    """Somebody cleans up in the middle of a write: nothing is written, and the next try works."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")

    def write_while_somebody_cleans_up() -> None:
        with backend.raw_store.locked(backend.key) as slot:
            for lock in Path(endpoint).parent.rglob("*lock*"):
                lock.unlink()
            slot.write((b"y",))

    with pytest.raises(RendezvousConnectionError, match="deleted or replaced while this process held it") as caught:
        write_while_somebody_cleans_up()
    assert not isinstance(caught.value, RendezvousConfigurationError)
    assert backend.get_state() == (b"x", token)
    assert backend.set_state(b"y", token).has_set


def test_a_lock_record_on_a_disk_that_takes_a_part_at_a_time_is_whole(endpoint, open_backend, monkeypatch):
    """A short write is continued: else a writer would mistake its own record for another's."""
    backend = open_backend(endpoint)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:5], at))
    assert backend.set_state(b"x").has_set


def test_there_is_no_false_alarm_where_locks_work(endpoint, open_backend):
    """Eight threads on instances of their own, five hundred writes."""
    backends = [open_backend(endpoint) for _ in range(8)]
    failures: list[Exception] = []

    def write(backend) -> None:
        try:
            for _ in range(62):
                seen = backend.get_state()
                backend.set_state(b"x", seen and seen.token)
        except RendezvousConnectionError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []

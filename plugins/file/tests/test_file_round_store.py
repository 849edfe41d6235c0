"""The store of a round, in a log of its own."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rdzv_core import (
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    RendezvousTimeoutError,
    create_backend,
)

ADD = """
import sys
from rdzv_core import RendezvousParameters, create_backend
store = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2)).store("round")
print("ready", flush=True)
sys.stdin.readline()
print(*(store.add("n", 1) for _ in range(int(sys.argv[2]))))
"""

KILLED_AT = """
import os, sys
from rdzv_core import RendezvousParameters, create_backend
store = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2)).store("round")
store.set("before", b"1")
pwrite = os.pwrite

def half(fd, data, at):
    if b" set " in bytes(data):
        pwrite(fd, data[: len(data) // 2], at)
        os.kill(os.getpid(), 9)
    return pwrite(fd, data, at)

os.pwrite = half
store.set("killed", b"x" * 100_000)
"""


def _run_directory(endpoint: str) -> Path:
    key = RendezvousParameters("file", endpoint, "run", 1, 2).key
    return (Path(endpoint, ".rdzv-runs") if endpoint.endswith("/") else Path(f"{endpoint}.runs")) / key


def _log(endpoint: str) -> Path:
    (log,) = (_run_directory(endpoint) / "stores").iterdir()
    return log


def test_processes_that_add_lose_nothing(endpoint, open_backend, start):
    """Four processes, each sum seen once."""
    processes = [start(ADD, endpoint, "25") for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    sums = [int(text) for process in processes for text in process.communicate(timeout=120)[0].split()]
    assert sorted(sums) == list(range(1, 101))
    assert open_backend(endpoint).store("round").get("n") == b"100"


def test_a_writer_that_is_killed_half_way_loses_nothing_of_the_others(endpoint, open_backend, start):
    """What it wrote before is there, what it began is not, and the next writer goes on."""
    assert start(KILLED_AT, endpoint).wait(60) == -9
    store = open_backend(endpoint).store("round")
    assert store.num_keys() == 1
    store.set("after", b"2")
    assert open_backend(endpoint).store("round").multi_get(["before", "after"], 0) == [b"1", b"2"]


@pytest.mark.parametrize("at", [0, 60, 200])
def test_a_damaged_store_is_a_state_error_that_names_its_file(endpoint, open_backend, at):
    """Where records follow it is no write that was interrupted; nothing is written over it."""
    writer = open_backend(endpoint).store("round")
    for number in range(5):
        writer.set(f"key-{number}", b"x" * 100)
    log = _log(endpoint)
    content = bytearray(log.read_bytes())
    content[at] ^= 0x10
    log.write_bytes(content)
    store = open_backend(endpoint).store("round")
    for call in (store.num_keys, lambda: store.set("new", b""), lambda: store.get("key-0", 0)):
        with pytest.raises(RendezvousStateError, match=r"the store 'round' in .*stores/round\..* is damaged"):
            call()
    assert log.read_bytes() == bytes(content)


def test_the_four_stores_written_last_are_kept_and_who_uses_another_learns_of_it(endpoint, open_backend):
    """It was dropped for newer ones: a state error, and not an empty store."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    first = backend.store("round-0")
    first.set("k", b"v")
    reader = other.store("round-0")
    assert reader.get("k") == b"v"
    for number in range(1, 5):
        other.store(f"round-{number}").set("k", b"%d" % number)
    assert len(list((_run_directory(endpoint) / "stores").iterdir())) == 4
    for call in (first.num_keys, lambda: first.set("k", b"new"), lambda: reader.get("k", 30)):
        with pytest.raises(RendezvousStateError, match="'round-0' was dropped, since this run has newer ones"):
            call()
    assert other.store("round-1").get("k") == b"1"


def test_a_log_that_grew_long_is_shortened_and_says_the_same(endpoint, open_backend):
    """A key that is written again and again does not fill the disk; readers go on."""
    store, reader = open_backend(endpoint).store("round"), open_backend(endpoint).store("round")
    store.multi_set({"kept": b"here", "gone": b"there"})
    assert store.delete_key("gone")
    for number in range(100):
        store.set("big", b"%d" % number * 25_000)
        assert reader.get("big", 0)[:1] == b"%d" % (number // 10 or number)
    assert _log(endpoint).stat().st_size < 2_000_000
    assert (reader.get("kept", 0), reader.num_keys(), reader.check(["gone"])) == (b"here", 2, False)


def test_close_ends_a_wait_within_a_second_and_every_later_call(endpoint):
    """A store ends with its backend, and holds no file open after that."""
    before = len(list(Path("/dev/fd").iterdir()))
    backend = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2))
    store = backend.store("round")
    store.set("there", b"1")
    errors: list[Exception] = []

    def wait() -> None:
        try:
            store.get("never", 30)
        except RendezvousConnectionError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    backend.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert len(errors) == 1
    for call in (store.num_keys, lambda: store.get("there"), lambda: store.set("k", b""), lambda: backend.store("x")):
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call()
    assert len(list(Path("/dev/fd").iterdir())) <= before


def test_a_forked_child_uses_the_store_too(endpoint, open_backend):
    """It reads, adds and waits; the parent sees what it wrote."""
    store = open_backend(endpoint).store("round")
    store.set("k", b"parent")
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = store.get("k", 0) == b"parent" and store.add("n", 1) == 1
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.add("n", 1) == 2


def test_a_path_that_is_gone_is_a_lost_connection(endpoint, open_backend):
    """Not an empty store, and nothing is made in its place."""
    store = open_backend(endpoint).store("round")
    store.set("k", b"v")
    path, away = Path(endpoint), Path(f"{endpoint.rstrip('/')}-away")
    runs = path if endpoint.endswith("/") else Path(f"{endpoint}.runs")
    path.rename(away)
    if runs != path:
        runs.rename(f"{runs}-away")
    for call in (store.num_keys, lambda: store.set("k", b"new"), lambda: store.get("k", 30)):
        with pytest.raises(RendezvousConnectionError, match="the store is gone"):
            call()
    assert not runs.exists()
    away.rename(path)
    if runs != path:
        Path(f"{runs}-away").rename(runs)
    assert store.get("k", 0) == b"v"


def test_an_observers_store_is_empty_until_somebody_writes(tmp_path, endpoint, open_backend):
    """It makes no file, and reads what the nodes write."""
    watching = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2).for_observer())
    store = watching.store("round")
    assert store.num_keys() == 0
    with pytest.raises(RendezvousTimeoutError, match="'k' not set"):
        store.get("k", 0)
    with pytest.raises(RendezvousConnectionError, match="observer creates nothing"):
        store.set("k", b"")
    assert list(tmp_path.iterdir()) == []
    open_backend(endpoint).store("round").set("k", b"v")
    assert store.get("k", 0) == b"v"
    watching.close()


def test_a_value_over_16_mib_is_refused(tmp_path, open_backend):
    """A value error that names the key; the store is as before."""
    store = open_backend(f"{tmp_path}/store").store("round")
    with pytest.raises(ValueError, match=r"16777217 bytes for key 'k': at most 16777216"):
        store.set("k", bytes(16 * 1024 * 1024 + 1))
    assert store.num_keys() == 0


@pytest.mark.parametrize("fsync", [True, False])
def test_fsync_is_an_option_and_on_by_default(endpoint, open_backend, monkeypatch, fsync):
    """With it registers and values are synced to the disk before a write is answered; without, nothing is."""
    backend = open_backend(endpoint, **({} if fsync else {"fsync": "false"}))
    backend.set_state(b"first")
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fd) or real(fd))
    backend.set_state(b"x", backend.get_state().token)
    assert bool(synced) == fsync
    synced.clear()
    backend.store("round").set("k", b"v")
    assert bool(synced) == fsync
    synced.clear()
    backend.delete_state()
    assert bool(synced) == fsync

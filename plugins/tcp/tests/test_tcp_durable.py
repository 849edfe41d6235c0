"""A data directory: what a server keeps in it, over whatever ends it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer, TcpStore
from rdzv_tcp._client.session import Session, new_nonce
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._protocol import Done, Set, StoreAdd, Value
from rdzv_tcp._server.server import probe
from rdzv_tcp._state.table import Record, RegisterChange
from rdzv_tcp._wal import log as log_module
from rdzv_tcp._wal.format import encode_changes
from rdzv_tcp._wal.group_commit import GroupCommit
from rdzv_tcp._wal.log import Log

from rdzv_core import RendezvousConnectionError, RendezvousStateError
from rdzv_core.endpoint import HostPort, parse_endpoint

Open = Callable[..., TcpBackend]
Serve = Callable[..., Any]
Serving = Callable[..., TcpServer]


def token_of(backend: TcpBackend) -> Any:
    snapshot = backend.get_state()
    assert snapshot is not None
    return snapshot.token


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the server keeps its registers."""
    return tmp_path / "data"


def test_what_was_acknowledged_outlives_a_kill(serve: Serve, open_backend: Open, data: Path) -> None:
    """kill -9: states and tokens are there again, what was deleted is not, and the same instance goes on."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, read_timeout=20)
    gone = backend.sibling("gone")
    assert backend.set_state(b"state")
    assert gone.set_state(b"state")
    assert gone.delete_state()
    before = backend.get_state()
    first.end()
    serve(first.endpoint, "--data-dir", str(data))
    assert backend.get_state() == before
    assert gone.get_state() is None
    assert backend.set_state(b"next", token_of(backend))
    gone.close()


def test_a_write_that_comes_again_after_a_restart_is_done_once(serve: Serve, data: Path) -> None:
    """A server with a data directory still knows its writes: what is sent again undoes nothing that came after."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    with contextlib.closing(Session(parse_endpoint(first.endpoint, 0), 20)) as session:
        one = Set("key", b"one", new_nonce(), None)
        two = Set("key", b"two", new_nonce(), one.nonce)
        assert session.write(one).answer == Done()
        assert session.write(two).answer == Done()
        first.end()
        serve(first.endpoint, "--data-dir", str(data))
        assert session.write(one).answer == Done()
        with TcpStore.over(session) as store:
            assert b"two" in (store.get("key") or b"")


def test_a_restart_in_the_middle_of_a_write_goes_unnoticed(serve: Serve, open_backend: Open, data: Path) -> None:
    """The server stands still, is killed and started again while a write waits: the write is done, exactly once."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, read_timeout=30)
    first.send(signal.SIGSTOP)
    results: list[Any] = []
    writing = threading.Thread(target=lambda: results.append(backend.set_state(b"state")))
    writing.start()
    first.end()
    serve(first.endpoint, "--data-dir", str(data))
    writing.join(30)
    assert results[0].has_set
    assert backend.get_state() == results[0][:2]


def test_the_stores_of_rounds_outlive_a_kill(serve: Serve, open_backend: Open, data: Path) -> None:
    """Keys and values of a round are there again, deleted ones are not, and the same instances go on."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, read_timeout=20)
    store = backend.store("round-1")
    store.multi_set({"a": b"1", "b": b"2", "gone": b""})
    store.delete_key("gone")
    assert store.add("count", 3) == 3
    assert store.compare_set("a", b"1", b"new") == b"new"
    first.end()
    serve(first.endpoint, "--data-dir", str(data))
    assert store.multi_get(["a", "b", "count"]) == [b"new", b"2", b"3"]
    assert store.num_keys() == 3
    assert store.add("count", 1) == 4


def test_adding_again_after_a_restart_adds_once(serve: Serve, data: Path) -> None:
    """A write to a store that is sent again to a server with a data directory is answered, and not done twice."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    with contextlib.closing(Session(parse_endpoint(first.endpoint, 0), 20)) as session:
        request = StoreAdd("run", "round", "count", "5", new_nonce())
        assert session.write(request).answer == Value(b"5")
        first.end()
        serve(first.endpoint, "--data-dir", str(data))
        assert session.write(request).answer == Value(b"5")
        assert session.write(StoreAdd("run", "round", "count", "5", new_nonce())).answer == Value(b"10")


def test_the_stores_of_many_rounds(serving: Serving, open_backend: Open, data: Path) -> None:
    """Written at once by many, in one batch or several: a run keeps the four used last, before a restart and after."""
    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    for number in range(6):
        backend.store(f"round-{number}").set("key", b"value")
    backend.close()
    server.stop()
    again = open_backend(str(serving(data).endpoint), is_host=False)
    assert again.store("round-5").get("key", 1) == b"value"
    assert again.store("round-2").get("key", 1) == b"value"
    with pytest.raises(RendezvousStateError):
        again.store("round-1").get("key", 1)


def test_files_are_for_their_owner_only(serving: Serving, data: Path) -> None:
    """The directory is made with mode 0700, the files with 0600, whatever the umask."""
    before = os.umask(0)
    try:
        serving(data)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [data, *data.iterdir()]}
    assert modes == {"data": 0o700, "lock": 0o600, "registers.log": 0o600}


def test_one_server_at_a_time_has_a_data_directory(serving: Serving, data: Path) -> None:
    """A second server is told who has the directory, and can have it when the first has stopped."""
    first = serving(data)
    with pytest.raises(OSError, match=rf"{data} is in use by process {os.getpid()} on "):
        serving(data)
    first.stop()
    serving(data)


def test_a_forked_child_does_not_keep_the_directory(serving: Serving, data: Path) -> None:
    """A child that lives on after its parent's server has stopped holds nothing of it."""
    server = serving(data)
    forked, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end[1])
        os.write(forked[1], b"1")
        os.read(end[0], 1)
        os._exit(0)
    assert os.read(forked[0], 1)
    server.stop()
    try:
        serving(data)
    finally:
        for descriptor in (*forked, *end):
            os.close(descriptor)
        os.waitpid(child, 0)


def test_a_torn_last_batch_is_dropped_and_said(
    serving: Serving, open_backend: Open, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a crash cut off was never acknowledged: the server starts without it, and says so."""
    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    backend.set_state(b"state")
    backend.close()
    server.stop()
    log = data / "registers.log"
    whole = log.read_bytes()
    torn = encode_changes([RegisterChange("key", Record(b"state", new_nonce()), new_nonce())])[:20]
    log.write_bytes(whole + torn)
    again = open_backend(str(serving(data).endpoint), is_host=False)
    assert again.get_state()
    assert "dropped the last 20 bytes" in caplog.text
    assert log.read_bytes() == whole


def test_a_corrupt_log_is_refused_and_left_as_it_is(
    serve: Serve, serving: Serving, open_backend: Open, data: Path
) -> None:
    """The error names file and offset, the server does not start, and the file is not touched."""
    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    for state in (b"one", b"two", b"three"):
        backend.set_state(state, None if state == b"one" else token_of(backend))
    backend.close()
    server.stop()
    log = data / "registers.log"
    corrupt = bytearray(log.read_bytes())
    corrupt[corrupt.index(b"one")] ^= 1
    log.write_bytes(corrupt)
    with pytest.raises(RendezvousStateError, match=rf"{log}: corrupt at offset \d+ of {len(corrupt)}: .*truncate -s"):
        serving(data)
    ended = subprocess.run(
        [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0", "--data-dir", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "corrupt at offset" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert log.read_bytes() == corrupt


def test_a_backend_that_hosts_says_that_its_directory_is_corrupt(open_backend: Open, data: Path) -> None:
    """The same for a node that hosts: it neither starts with nothing nor tries until its time is over."""
    data.mkdir()
    (data / "registers.log").write_text("not what a server wrote")
    for is_host in (True, None):
        with pytest.raises(RendezvousStateError, match="corrupt at offset 0"):
            open_backend("127.0.0.1:0", is_host=is_host, data_dir=str(data), connect_timeout=20)


@pytest.mark.parametrize("is_host", [True, None])
def test_a_backend_that_would_host_says_at_once_that_its_directory_cannot_be_used(
    open_backend: Open, data: Path, free_port: int, is_host: bool | None
) -> None:
    """The option and its value are named, and nobody waits for what will not be: the endpoint was free to be hosted."""
    data.write_text("a file")
    began = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match=rf"data_dir='{data}': .*exists; give a directory") as caught:
        open_backend(f"127.0.0.1:{free_port}", is_host=is_host, data_dir=str(data), connect_timeout=60)
    assert time.monotonic() - began < 20
    assert isinstance(caught.value.__cause__, OSError)


def test_the_directory_of_who_does_not_host_is_not_looked_at(serving: Serving, open_backend: Open, data: Path) -> None:
    """All nodes are given the same options: where another one hosts, a directory that is not there does no harm."""
    server = serving(data)
    for is_host in (False, None):
        assert open_backend(str(server.endpoint), is_host=is_host, data_dir="/proc/x").get_state() is None


def test_a_directory_that_is_still_in_use_is_waited_for(
    serving: Serving, open_backend: Open, data: Path, free_port: int
) -> None:
    """The next host may come while the last server ends, which frees its port before its directory."""
    last = serving(data)
    threading.Timer(0.5, last.stop).start()
    assert open_backend(f"127.0.0.1:{free_port}", data_dir=str(data), connect_timeout=20).is_host


def test_a_full_disk_fails_the_write_and_nothing_else(serve: Serve, open_backend: Open, data: Path) -> None:
    """The writer is told, the state is the one from before, reads go on; with room again, so do writes."""
    server = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(server.endpoint, read_timeout=20)
    assert backend.set_state(b"small")
    before = backend.get_state()
    assert before is not None
    unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (8192, unlimited[1]))
    with pytest.raises(RendezvousConnectionError, match=r"could not keep a write.*registers.log.*nothing was written"):
        backend.set_state(bytes(100_000), before.token)
    assert backend.get_state() == before
    store = backend.store("round")
    with pytest.raises(RendezvousConnectionError, match="could not keep a write"):
        store.set("key", bytes(100_000))
    assert not store.check(["key"])
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
    result = backend.set_state(bytes(100_000), before.token)
    assert result is not None
    assert result.has_set
    server.end()
    serve(server.endpoint, "--data-dir", str(data))
    assert backend.get_state() == result[:2]


def test_a_log_is_compacted_when_it_is_mostly_past(
    serving: Serving, open_backend: Open, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays within a few times of what it has to hold, and a restart finds the same in it."""
    monkeypatch.setattr(log_module, "COMPACT_BYTES", 10_000)
    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    other = backend.sibling("other")
    other.set_state(b"kept")
    backend.set_state(b"")
    for number in range(200):
        backend.set_state(bytes([number]) * 1000, token_of(backend))
    seen = backend.get_state(), other.get_state()
    for one in (backend, other):
        one.close()
    server.stop()
    assert (data / "registers.log").stat().st_size < 60_000
    again = open_backend(str(serving(data).endpoint), is_host=False)
    other = again.sibling("other")
    assert (again.get_state(), other.get_state()) == seen
    other.close()


def test_a_log_that_cannot_be_compacted_stays_in_use(
    serving: Serving,
    open_backend: Open,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without room for a second log the first one grows: that is said, and nothing is lost."""
    monkeypatch.setattr(log_module, "COMPACT_BYTES", 1000)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    monkeypatch.setattr(Path, "rename", no_room)
    backend.set_state(b"")
    for number in range(5):
        backend.set_state(bytes([number]) * 1000, token_of(backend))
    before = backend.get_state()
    assert "could not compact the log: No space left on device" in caplog.text
    backend.close()
    server.stop()
    monkeypatch.undo()
    assert sorted(path.name for path in data.iterdir()) == ["lock", "registers.log"]
    assert open_backend(str(serving(data).endpoint), is_host=False).get_state() == before


def test_a_write_that_cannot_be_taken_back_ends_all_writing(
    serving: Serving, open_backend: Open, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk fails a write and its rollback, what it holds is not known: no more is written to it."""
    server = serving(data)
    backend = open_backend(str(server.endpoint), is_host=False)
    backend.set_state(b"state")
    before = backend.get_state()

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(RendezvousConnectionError, match=r"so did its rollback.*may or may not be durable"):
            backend.set_state(b"next", token_of(backend))
    with pytest.raises(RendezvousConnectionError, match="restart the server"):
        backend.set_state(b"next", token_of(backend))
    assert backend.get_state() == before


def test_many_writes_share_an_fsync(
    serving: Serving, open_backend: Open, data: Path, in_threads: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one batch is on its way to the disk the next one gathers: 8 writers who wait cost two turns, not 8."""
    backends = [open_backend(str((server := serving(data)).endpoint), is_host=False)]
    backends += [backends[0].sibling(f"register-{number}") for number in range(8)]
    entered, go_on, batches = threading.Event(), threading.Event(), []
    append = Log.append

    def slow_append(journal: Log, frame: bytes) -> None:
        batches.append(len(frame))
        entered.set()
        assert go_on.wait(20)
        append(journal, frame)

    monkeypatch.setattr(Log, "append", slow_append)
    first = threading.Thread(target=backends[0].set_state, args=(b"first",))
    first.start()
    assert entered.wait(20)

    def write(number: int) -> None:
        assert backends[number + 1].set_state(b"state")

    others = threading.Thread(target=in_threads, args=(8, write))
    others.start()
    commit = probe(server).core.commit
    assert isinstance(commit, GroupCommit)
    while len(commit) < 8:
        # A read is answered meanwhile, and knows nothing of what is not on the disk.
        assert backends[0].get_state() is None
    assert first.is_alive()  # nor is its writer told of it
    go_on.set()
    first.join(20)
    others.join(20)
    assert len(batches) == 2
    for backend in backends[1:]:
        assert backend.get_state()
        backend.close()


def test_an_answer_comes_after_the_fsync(
    serving: Serving, open_backend: Open, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of a lone writer is one fsync before its answer; without fsync, none."""
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    backend = open_backend(str(serving(data).endpoint), is_host=False)
    for expected in (1, 2, 3):
        synced.clear()
        backend.set_state(b"state", None if expected == 1 else token_of(backend))
        assert len(synced) == 1
    lax = open_backend(str(serving(data.with_name("lax"), fsync=False).endpoint), is_host=False)
    synced.clear()
    assert lax.set_state(b"state")
    assert synced == []


def test_a_wait_is_woken_by_what_is_on_the_disk(serving: Serving, open_backend: Open, data: Path) -> None:
    """A watcher of a durable register is woken as one of any other."""
    backend = open_backend(str(serving(data).endpoint), is_host=False)
    seen: list[Any] = []
    waiting = threading.Thread(target=lambda: seen.append(backend.wait_state(None, 20)))
    waiting.start()
    result = backend.set_state(b"state")
    waiting.join(20)
    assert result is not None
    assert seen == [(True, result[:2])]


def test_a_hosting_node_keeps_what_it_is_told_to(open_backend: Open, data: Path, free_port: int) -> None:
    """`data_dir` of the backend: closed and opened again, the store is as it was."""
    backend = open_backend(f"127.0.0.1:{free_port}", is_host=True, data_dir=str(data))
    backend.set_state(b"state")
    before = backend.get_state()
    assert backend.health()["data_dir"] == str(data)
    backend.close()
    assert open_backend(f"127.0.0.1:{free_port}", is_host=True, data_dir=str(data)).get_state() == before


def test_one_server_has_one_data_directory(open_backend: Open, data: Path) -> None:
    """An instance that wants its registers elsewhere than the server of this process keeps them is refused."""
    endpoint = open_backend("127.0.0.1:0", is_host=True, data_dir=str(data)).endpoint
    with pytest.raises(RendezvousConnectionError, match=r"hosts it already, with data_dir=.*elsewhere"):
        open_backend(endpoint, is_host=True, data_dir=str(data.with_name("elsewhere")))


def test_who_only_looks_makes_no_directory(serve: Serve, data: Path) -> None:
    """An observer with the node's options creates nothing."""
    from rdzv_core import RendezvousParameters, create_backend

    params = RendezvousParameters("tcp", serve().endpoint, "run", 1, 1, data_dir=str(data)).for_observer()
    create_backend(params).close()
    assert not data.exists()


def test_a_client_cannot_pile_up_writes_that_wait_for_the_disk(serving: Serving, data: Path, raw_peer: Any) -> None:
    """A connection whose writes of over a MiB wait is not read from until they are on the disk; then all are done."""
    server = serving(data)
    peer = raw_peer(server)
    nonces = [new_nonce() for _ in range(40)]
    answers = peer.pipeline([Set(f"key-{number}", bytes(500_000), nonce, None) for number, nonce in enumerate(nonces)])
    assert answers == [Done()] * 40
    assert len(probe(server).core.state.table) == 40


@pytest.fixture
def serving() -> Any:
    """Start servers on threads of this process with a data directory, and stop them when the test is over."""
    started: list[TcpServer] = []

    def start(data: Path, *, fsync: bool = True) -> TcpServer:
        started.append(TcpServer(HostPort("127.0.0.1", 0), Settings(data_dir=str(data), fsync=fsync)).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()

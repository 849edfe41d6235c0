"""Memberships in a data directory: what of them outlives the server, and what is on disk before anybody is told."""

from __future__ import annotations

import errno
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._protocol import Enter
from rdzv_tcp._server.server import probe
from rdzv_tcp._wal import group_commit
from rdzv_tcp._wal import log as log_module
from rdzv_tcp._wal.format import FIRST_LINE, WITHOUT_MEMBERS, LogStart, encode_frame, read_log
from rdzv_tcp._wal.log import Log

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort, parse_endpoint

Open = Callable[..., TcpBackend]
Serve = Callable[..., Any]
Serving = Callable[..., TcpServer]

LIMIT = 20.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the server keeps what it keeps."""
    return tmp_path / "data"


@pytest.fixture
def serving(data: Path) -> Iterator[Serving]:
    """LogStart servers on `data` on threads of this process, each at the endpoint of the last one that was stopped."""
    started: list[TcpServer] = []

    def start() -> TcpServer:
        if started:
            started[-1].stop()
        endpoint = started[-1].endpoint if started else HostPort("127.0.0.1", 0)
        started.append(TcpServer(endpoint, Settings(data_dir=str(data), fsync=False)).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


class SlowDisk:
    """Holds up whatever goes to the log from `stop` to `go_on`; `waits` is set when something does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.appended = 0
        append = Log.append

        def slow_append(journal: Log, frame: bytes) -> None:
            self.appended += 1
            self.waits.set()
            assert self.go_on.wait(LIMIT)
            append(journal, frame)

        monkeypatch.setattr(Log, "append", slow_append)

    def stop(self) -> None:
        self.waits.clear()
        self.go_on.clear()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """A disk that a test can make wait."""
    made = SlowDisk(monkeypatch)
    yield made
    made.go_on.set()


def seen(backend: TcpBackend) -> list[tuple[str, bytes]]:
    """Return who is there, with the payloads."""
    return [(member.id, member.payload) for member in backend.members().members]


def await_members(backend: TcpBackend, expected: list[str]) -> None:
    """Wait until exactly `expected` are there."""
    deadline = time.monotonic() + LIMIT
    while True:
        view = backend.members()
        if [member.id for member in view.members] == expected:
            return
        assert time.monotonic() < deadline, view
        backend.wait_members(view.version, 1.0)


def test_RDZV_MEMBER_15_members_outlive_a_kill_of_the_server(serve: Serve, open_backend: Open, data: Path) -> None:
    """Members, their order and payloads, and those that left: all of it is as it was, and no version is."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    one, other = (open_backend(first.endpoint, is_host=False, read_timeout=20) for _ in range(2))
    leases = [(one, other)[number % 2].enter(b"%d" % number, 600.0) for number in range(5)]
    one.update(leases[0], b"new")
    other.leave(leases[1])
    one.refresh(leases[2])
    before = other.members()
    first.end()
    serve(first.endpoint, "--data-dir", str(data))
    after = other.members()
    assert after.members == before.members
    assert [member.payload for member in after.members] == [b"new", b"2", b"3", b"4"]
    assert after.incarnation == before.incarnation
    assert other.wait_members(before.version, LIMIT) is True
    assert [one.refresh(lease) for lease in leases] == [True, False, True, True, True]
    assert one.update(leases[2], b"newer") is True
    last = one.enter(b"last", 600.0)
    assert (last.ahead, last.incarnation) == (4, before.incarnation)
    assert seen(other) == [
        (leases[0].id, b"new"),
        (leases[2].id, b"newer"),
        (leases[3].id, b"3"),
        (leases[4].id, b"4"),
        (last.id, b"last"),
    ]


def test_a_server_that_is_away_for_longer_than_a_ttl_ends_nobody_by_that(
    serve: Serve, open_backend: Open, data: Path
) -> None:
    """Started again it gives everybody a whole ttl; then it ends who does not refresh."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, is_host=False, read_timeout=20)
    stays, goes = backend.enter(b"stays", 600.0), backend.enter(b"goes", 1.5)
    first.end()
    threading.Event().wait(1.6)  # nothing can be awaited: that the server is away is the point
    serve(first.endpoint, "--data-dir", str(data))
    assert [member for member, _ in seen(backend)] == [stays.id, goes.id]
    await_members(backend, [stays.id])
    assert backend.refresh(goes) is False


def test_who_ended_before_a_kill_has_ended_after_it(serve: Serve, open_backend: Open, data: Path) -> None:
    """An end that anybody was shown is on disk: the member is not there again, and is told so."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, is_host=False, read_timeout=20)
    lease = backend.enter(b"goes", 0.3)
    await_members(backend, [])
    first.end()
    serve(first.endpoint, "--data-dir", str(data))
    assert seen(backend) == []
    assert backend.refresh(lease) is False


def test_nobody_is_told_of_an_end_before_it_is_on_disk(serving: Serving, open_backend: Open, disk: SlowDisk) -> None:
    """A member whose time is over is there until it has been ended, and is told so after that."""
    backend = open_backend(str(serving().endpoint), is_host=False)
    lease = backend.enter(b"goes", 0.3)
    disk.stop()
    assert disk.waits.wait(LIMIT)
    assert [member for member, _ in seen(backend)] == [lease.id]
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    backend.submit("refresh", (lease,), lambda result, error: told.put(error or result))
    assert [member for member, _ in seen(backend)] == [lease.id]
    assert told.empty()
    disk.go_on.set()
    assert told.get(timeout=LIMIT) is False
    assert seen(backend) == []


def test_what_is_acknowledged_is_on_disk(serving: Serving, open_backend: Open, disk: SlowDisk) -> None:
    """An entry, an update and a leave are seen, and answered, when they are; a refresh does not wait for the disk."""
    backend = open_backend(str(serving().endpoint), is_host=False)
    stays = backend.enter(b"stays", 600.0)
    goes = backend.enter(b"goes", 600.0)
    before = seen(backend)
    calls: list[tuple[str, tuple[Any, ...]]] = [("enter", (b"new", 600.0)), ("update", (goes, b"newer"))]
    for method, arguments in calls:
        disk.stop()
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        backend.submit(method, arguments, lambda result, error, told=told: told.put(error or result))
        assert disk.waits.wait(LIMIT)
        assert backend.refresh(stays) is True
        assert seen(backend) == before
        assert told.empty()
        disk.go_on.set()
        assert told.get(timeout=LIMIT)
        assert len(set(seen(backend)) - set(before)) == 1
        before = seen(backend)
    disk.stop()
    leaving = threading.Thread(target=backend.leave, args=(goes,))
    leaving.start()
    assert disk.waits.wait(LIMIT)
    assert seen(backend) == before
    assert leaving.is_alive()
    disk.go_on.set()
    leaving.join(LIMIT)
    assert len(seen(backend)) == len(before) - 1


def test_refreshes_write_nothing(serving: Serving, open_backend: Open, disk: SlowDisk) -> None:
    """However many there are, and an update that says what is there already is not one of them."""
    backend = open_backend(str(serving().endpoint), is_host=False)
    lease = backend.enter(b"here", 600.0)
    before = disk.appended
    assert all(backend.refresh(lease) for _ in range(50))
    assert disk.appended == before
    assert backend.update(lease, b"new")
    assert disk.appended == before + 1


def test_a_refresh_does_not_overtake_an_update_on_its_way_to_the_disk(
    serving: Serving, open_backend: Open, disk: SlowDisk
) -> None:
    """The update came first, so the payload is its, before a restart and after."""
    backend = open_backend(str(serving().endpoint), is_host=False, read_timeout=20)
    lease = backend.enter(b"old", 600.0)
    disk.stop()
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for method, arguments in (("update", (lease, b"new")), ("refresh", (lease,))):
        backend.submit(method, arguments, lambda result, error: told.put(error or result))
    assert disk.waits.wait(LIMIT)
    disk.go_on.set()
    assert [told.get(timeout=LIMIT), told.get(timeout=LIMIT)] == [True, True]
    assert seen(backend) == [(lease.id, b"new")]
    serving()
    assert seen(backend) == [(lease.id, b"new")]


def test_a_disk_that_fails_changes_no_membership(
    serving: Serving, open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody enters, leaves or is ended, and each caller is told; ends are made up for when the disk works again."""
    backend = open_backend(str(serving().endpoint), is_host=False, read_timeout=5)
    stays, goes = backend.enter(b"stays", 600.0), backend.enter(b"goes", 0.5)
    before = seen(backend)
    failed = threading.Event()

    def full(*_: object) -> None:
        failed.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(group_commit, "RETRY_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", full)
        for call in (
            lambda: backend.enter(b"new", 600.0),
            lambda: backend.update(stays, b"new"),
            lambda: backend.leave(stays),
        ):
            with pytest.raises(RendezvousConnectionError, match="could not keep a write on disk: No space left"):
                call()
        for _ in range(2):  # the end of `goes`, and the next attempt to note it
            failed.clear()
            assert failed.wait(LIMIT)
        assert seen(backend) == before
    await_members(backend, [stays.id])
    assert backend.refresh(goes) is False


def test_who_died_while_its_entry_was_written_is_given_up_as_any_other(
    serving: Serving, raw_peer: Callable[..., Any], disk: SlowDisk
) -> None:
    """Its connection has ended before there was anything to end."""
    server, member = serving(), b"m" * 16
    peer = raw_peer(server)
    disk.stop()
    peer.say(Enter("run", member, b"", 600.0, member))
    assert disk.waits.wait(LIMIT)
    peer.socket.close()
    deadline = time.monotonic() + LIMIT
    while probe(server).core.connections:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    members = probe(server).core.state.members
    disk.go_on.set()
    while (entry := members.find(member)) is None or entry.end == entry.ends:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_compacted_log_holds_the_members(
    serving: Serving, open_backend: Open, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays short however often members come and go, and a restart finds the same in it."""
    monkeypatch.setattr(log_module, "COMPACT_BYTES", 20_000)
    backend = open_backend(str(serving().endpoint), is_host=False, read_timeout=20)
    leases = [backend.enter(b"stays %d" % number, 600.0) for number in range(3)]
    for number in range(300):
        backend.leave(backend.enter(bytes(100), 600.0))
        backend.update(leases[1], b"%d" % number)
    before = backend.members()
    serving()
    assert (data / "registers.log").stat().st_size < 60_000
    after = backend.members()
    assert (after.members, after.incarnation) == (before.members, before.incarnation)
    assert [backend.refresh(lease) for lease in leases] == [True] * 3


def test_a_log_of_an_older_version_is_read_and_compacted(serving: Serving, open_backend: Open, data: Path) -> None:
    """It has no memberships: from now on they have an incarnation that stays, in a log that says its version."""
    data.mkdir()
    (data / "registers.log").write_bytes(WITHOUT_MEMBERS + encode_frame([LogStart(b"i" * 16)]))
    first = serving()
    assert (data / "registers.log").read_bytes().startswith(FIRST_LINE)
    assert probe(first).core.state.table.incarnation == b"i" * 16
    backend = open_backend(str(first.endpoint), is_host=False, read_timeout=20)
    lease = backend.enter(b"here", 600.0)
    serving()
    assert backend.refresh(lease) is True
    assert backend.members().incarnation == lease.incarnation
    assert read_log(memoryview((data / "registers.log").read_bytes()))[0].members.runs == 1


def test_without_a_data_directory_memberships_end_with_the_server(serve: Serve, open_backend: Open) -> None:
    """As they must where nothing is kept: another incarnation, and nobody in it."""
    first = serve()
    backend = open_backend(first.endpoint, is_host=False, read_timeout=20)
    lease = backend.enter(b"", 600.0)
    first.end()
    serve(first.endpoint)
    assert backend.refresh(lease) is False
    assert backend.members().incarnation != lease.incarnation


def test_a_killed_server_is_come_back_to_soon(serve: Serve, open_backend: Open, data: Path) -> None:
    """A refresh that was made while it was away is answered when it is back, and needs no other call for that."""
    first = serve("127.0.0.1:0", "--data-dir", str(data))
    backend = open_backend(first.endpoint, is_host=False, read_timeout=60)
    lease = backend.enter(b"", 600.0)
    first.end()
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    backend.submit("refresh", (lease,), lambda result, error: told.put(error or result))
    with pytest.raises(queue.Empty):
        told.get(timeout=0.5)
    again = serve(first.endpoint, "--data-dir", str(data))
    assert told.get(timeout=LIMIT) is True
    assert parse_endpoint(again.endpoint, 0).port == parse_endpoint(first.endpoint, 0).port

"""Members of a run: who is there is in the run's roll, and each member's file tells its refreshes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rdzv_file._members import book, lease_file
from rdzv_file._members.roll import Roll

from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend

SHORT_TTL = 0.5
TTL = 60.0

ENTER = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
lease = backend.enter(b"other", float(sys.argv[2]))
print(lease.id, flush=True)
for line in sys.stdin:
    print(backend.refresh(lease), flush=True)
"""

STOP_IN_REFRESH = """
import os, signal, sys
from rdzv_core import RendezvousParameters, create_backend
from rdzv_file._members import lease_file
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
lease = backend.enter(b"stops", float(sys.argv[2]))
refresh = lease_file.refresh
lease_file.refresh = lambda fd: (os.kill(os.getpid(), signal.SIGSTOP), refresh(fd))
print(lease.id, flush=True)
print(backend.refresh(lease), flush=True)
"""

STOP_IN_ENTER = """
import os, signal, sys
from rdzv_core import RendezvousParameters, create_backend
from rdzv_file._members import lease_file
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
create = lease_file.create
lease_file.create = lambda path: (create(path), os.kill(os.getpid(), signal.SIGSTOP))
print(backend.enter(b"stops", 600).id, flush=True)
"""


def _run_directory(endpoint: str) -> Path:
    key = RendezvousParameters("file", endpoint, "run", 1, 2).key
    runs = Path(endpoint, ".rdzv-runs") if endpoint.endswith("/") else Path(f"{endpoint}.runs")
    return runs / key


def _ids(backend) -> list[str]:
    return [member.id for member in backend.members().members]


def _await_end(backend, member: str) -> None:
    until = time.monotonic() + 60
    while member in _ids(backend):
        assert time.monotonic() < until
        backend.wait_members(backend.members().version, 0.1)


def test_a_killed_member_is_ended_by_those_who_look(endpoint, open_backend, start):
    """kill -9: nobody tells the others, and its ttl after its last refresh it is gone."""
    backend = open_backend(endpoint)
    lease = backend.enter(b"one", TTL)
    other = start(ENTER, endpoint, str(SHORT_TTL))
    member = other.stdout.readline().strip()
    assert _ids(backend) == [lease.id, member]
    other.kill()
    _await_end(backend, member)
    assert _ids(backend) == [lease.id]


def test_members_that_refresh_end_those_ahead_of_them(endpoint, open_backend):
    """Nobody reads the members: each refresh has a look at the first few, so that somebody can take their place."""
    one, other = open_backend(endpoint), open_backend(endpoint)
    dead, alive = one.enter(b"dead", SHORT_TTL), other.enter(b"alive", TTL)
    until = time.monotonic() + 60
    roll = Roll()
    while dead.id in roll.entries or not roll.entries:
        assert time.monotonic() < until
        assert other.refresh(alive)
        roll = other._membership._book()._reader.look()
        threading.Event().wait(SHORT_TTL / 10)  # the next refresh, as a node does one from time to time
    assert list(roll.entries) == [alive.id]


def test_a_member_that_is_stopped_within_a_refresh_ends_and_learns_of_it(endpoint, open_backend, start):
    """It holds the lock of its own file, which keeps it there for two ttls at most; it goes on and has ended."""
    backend = open_backend(endpoint)
    stopped = start(STOP_IN_REFRESH, endpoint, str(SHORT_TTL))
    member = stopped.stdout.readline().strip()
    assert member in _ids(backend)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    _await_end(backend, member)
    stopped.send_signal(signal.SIGCONT)
    assert stopped.stdout.readline() == "False\n"


def test_a_stopped_writer_of_the_roll_ends_no_other_member(endpoint, open_backend, start):
    """It holds up who enters and updates, with an error that names it; refreshes and reads go on, for many ttls."""
    backend = open_backend(endpoint, lock_timeout=0.2)
    lease = backend.enter(b"lives", SHORT_TTL)
    stopped = start(STOP_IN_ENTER, endpoint)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    until = time.monotonic() + 4 * SHORT_TTL
    while time.monotonic() < until:
        assert backend.refresh(lease)
        assert _ids(backend) == [lease.id]
    with pytest.raises(RendezvousConnectionError, match=f"process {stopped.pid} on .* holds it"):
        backend.enter(b"waits", TTL)
    with pytest.raises(RendezvousConnectionError, match="holds it"):
        backend.update(lease, b"waits")
    stopped.send_signal(signal.SIGCONT)
    assert stopped.stdout.readline().strip() in _ids(backend)
    assert backend.enter(b"goes on", TTL).ahead >= 1


def test_a_live_member_stays_where_a_file_s_status_is_a_minute_old(endpoint, open_backend, monkeypatch):
    """As over NFS, whose client answers from its cache: before it ends anybody an observer asks under the file's lock.

    For many ttls each look at the member shows the time of its entry.
    """
    member, observer = open_backend(endpoint), open_backend(endpoint)
    lease = member.enter(b"lives", SHORT_TTL)
    cached = lease_file.last_refresh(str(_run_directory(endpoint) / "alive" / lease.id))
    looks = []
    monkeypatch.setattr(book.lease_file, "last_refresh", lambda path: looks.append(path) or cached)
    until = time.monotonic() + 8 * SHORT_TTL
    while time.monotonic() < until:
        assert member.refresh(lease)
        assert _ids(observer) == [lease.id]
        observer.wait_members(observer.members().version, SHORT_TTL / 8)
    assert len(looks) > 20
    monkeypatch.undo()
    _await_end(observer, lease.id)


def test_an_observer_that_stood_still_gives_everybody_a_whole_ttl(endpoint, open_backend, monkeypatch):
    """RDZV-MEMBER-10: after a stall of the store, or of the machine, nobody is ended at once."""
    member, observer = open_backend(endpoint), open_backend(endpoint)
    lease = member.enter(b"lives", TTL)
    clock = [0.0]
    monkeypatch.setattr(book, "now", lambda: clock[0])
    assert _ids(observer) == [lease.id]
    clock[0] += 10 * TTL
    assert _ids(observer) == [lease.id]
    clock[0] += 0.7 * TTL
    assert _ids(observer) == [lease.id]
    assert member.refresh(lease)
    for _ in range(3):
        assert _ids(observer) == [lease.id]
        clock[0] += 0.5 * TTL
    assert _ids(observer) == []
    assert not member.refresh(lease)


def test_a_path_that_is_gone_ends_no_membership(endpoint, open_backend):
    """RDZV-MEMBER-14: refresh and update are connection errors; when it is back, the member is there."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    lease = backend.enter(b"here", TTL)
    store, away = Path(endpoint), Path(f"{endpoint.rstrip('/')}-away")
    runs, runs_away = Path(f"{endpoint}.runs"), Path(f"{endpoint}.runs-away")
    one_file = not endpoint.endswith("/")
    store.rename(away)
    if one_file:
        runs.rename(runs_away)
    for call in (lambda: backend.refresh(lease), lambda: backend.update(lease, b"new"), other.members):
        with pytest.raises(RendezvousConnectionError, match="the store is gone"):
            call()
    away.rename(store)
    if one_file:
        runs_away.rename(runs)
    assert backend.refresh(lease)
    assert _ids(other) == [lease.id]


@pytest.mark.parametrize("damage", ["removed", "emptied", "damaged in the middle", "foreign"])
def test_members_that_are_lost_learn_of_it(endpoint, open_backend, damage):
    """RDZV-MEMBER-9: a roll that was deleted, or cannot be read, is founded anew, under another incarnation."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    lease = backend.enter(b"x" * 100, TTL)
    backend.enter(b"y" * 100, TTL)
    before = other.members()
    roll = _run_directory(endpoint) / "members"
    content = roll.read_bytes()
    if damage == "removed":
        roll.unlink()
    elif damage == "emptied":
        os.truncate(roll, 0)
    else:
        with roll.open("r+b") as file:
            file.write(b"foreign\n" * 9 if damage == "foreign" else content.replace(b"xx", b"xy"))
    for each in (backend, other):
        each.close()  # with them goes what this process has read
    backend, other = open_backend(endpoint), open_backend(endpoint)
    view = other.members()
    assert view.members == ()
    assert view.incarnation not in ("", before.incarnation)
    assert other.wait_members(before.version, 0)
    assert not backend.refresh(lease)
    again = backend.enter(b"again", TTL)
    assert again.incarnation == view.incarnation
    assert _ids(other) == [again.id]


@pytest.mark.parametrize("keep", [1, 20, 60, -1])
def test_a_record_that_a_killed_writer_left_half_is_no_record(endpoint, open_backend, keep):
    """The next writer cuts it off; nobody takes it for a member, and no other is lost."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    lease = backend.enter(b"first", TTL)
    roll = _run_directory(endpoint) / "members"
    whole = roll.read_bytes()
    killed = backend.enter(b"second", TTL)
    added = roll.read_bytes()[len(whole) :]
    backend.leave(killed)
    roll.write_bytes(whole + added[:keep])
    assert _ids(open_backend(endpoint)) == [lease.id]
    third = other.enter(b"third", TTL)
    assert _ids(open_backend(endpoint)) == [lease.id, third.id]
    assert backend.refresh(lease)


def test_a_roll_that_grew_long_is_shortened_and_says_the_same(endpoint, open_backend):
    """Order, payloads, incarnation and version stay; who has read it goes on, and files of nobody go."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    first = backend.enter(b"first", TTL)
    second = backend.enter(b"second", TTL)
    for number in range(100):
        assert backend.update(second, b"%d" % number * 1000)
    before = other.members()
    stray = _run_directory(endpoint) / "alive" / ("0" * 32)
    stray.touch()
    size = (_run_directory(endpoint) / "members").stat().st_size
    last = backend.enter(b"last", TTL)
    assert (_run_directory(endpoint) / "members").stat().st_size < size / 10
    assert not stray.exists()
    for reader in (other, open_backend(endpoint)):
        view = reader.members()
        assert view.members[:2] == before.members
        assert view.incarnation == before.incarnation
        assert [member.id for member in view.members] == [first.id, second.id, last.id]
    assert backend.refresh(second)


def test_no_version_comes_twice(endpoint, open_backend):
    """RDZV-MEMBER-6: nobody there, one there, nobody there: whoever waits with the first version learns of it."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    versions = [other.members().version]
    for _ in range(3):
        lease = backend.enter(b"x", TTL)
        versions.append(other.members().version)
        backend.leave(lease)
        versions.append(other.members().version)
    assert len(set(versions)) == 7
    assert other.wait_members(versions[0], 0)


def test_a_forked_child_has_the_members_too(endpoint, open_backend):
    """It enters, and its parent's members stay; nothing of the parent is locked by it."""
    backend = open_backend(endpoint)
    lease = backend.enter(b"parent", TTL)
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = _ids(backend) == [lease.id] and backend.enter(b"child", TTL).ahead == 1 and backend.refresh(lease)
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [member.payload for member in backend.members().members] == [b"parent", b"child"]
    assert backend.refresh(lease)


def test_an_observer_makes_nothing_and_ends_nobody(tmp_path, endpoint):
    """`rdzv status` looks at a run: no file is there that was not there before, and a dead member stays for others."""
    watching = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2).for_observer())
    assert watching.members().members == ()
    assert watching.count() == 0
    assert not watching.wait_members(watching.members().version, 0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RendezvousConnectionError, match="observer creates nothing"):
        watching.enter(b"", TTL)
    backend = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2))
    lease = backend.enter(b"dead", 0.01)
    backend.close()
    for _ in range(10):
        watching.wait_members(watching.members().version, 0.01)
    assert _ids(watching) == [lease.id]
    watching.close()


def test_nothing_is_left_of_a_run_that_is_deleted(endpoint, open_backend):
    """With its register go the files of its members, unless one is there; `delete_leftovers` ends those."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    backend.set_state(b"x")
    lease = backend.enter(b"here", TTL)
    assert backend.delete_state()
    assert backend.refresh(lease)
    backend.delete_leftovers()
    assert not backend.refresh(lease)
    assert not _run_directory(endpoint).parent.exists()
    again = other.enter(b"again", TTL)
    other.leave(again)
    backend.set_state(b"y")
    assert backend.delete_state()
    assert not _run_directory(endpoint).parent.exists()


def test_a_writer_that_waits_while_the_run_is_removed_enters_the_next_one(endpoint, open_backend):
    """The lock that it waits for is deleted under its hands: it takes the new one."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    for _ in range(20):
        backend.enter(b"before", TTL)
        entered = []
        thread = threading.Thread(target=lambda entered=entered: entered.append(other.enter(b"after", TTL)))
        thread.start()
        backend.delete_leftovers()
        thread.join(30)
        assert len(entered) == 1
        assert other.refresh(entered[0]) or _ids(backend) == []
    backend.delete_leftovers()


def test_what_a_backend_holds_open_ends_with_it(endpoint):
    """The roll is kept open between calls, until the last backend of the process is closed."""

    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before, threads = descriptors(), threading.active_count()
    backends = [create_backend(RendezvousParameters("file", endpoint, "run", 1, 2)) for _ in range(3)]
    for backend in backends:
        lease = backend.enter(b"x", TTL)
        backend.refresh(lease)
        backend.members()
    assert descriptors() <= before + 1 + len(backends)
    for backend in backends:
        backend.close()
    assert descriptors() <= before
    assert threading.active_count() == threads

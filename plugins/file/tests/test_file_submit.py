"""Calls that are submitted: two threads a run do them, and nothing that takes long holds up the others."""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import signal
import threading
from pathlib import Path

import pytest
from rdzv_file._members import lease_file

from rdzv_core import RendezvousConnectionError, RendezvousParameters, RendezvousTimeoutError, create_backend

TTL = 60.0
SOON = 30.0

STOP_IN_ENTER = """
import os, signal, sys
from rdzv_core import RendezvousParameters, create_backend
from rdzv_file._members import lease_file
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
create = lease_file.create
lease_file.create = lambda path: (create(path), os.kill(os.getpid(), signal.SIGSTOP))
print(backend.enter(b"stops", 600).id, flush=True)
"""


class Call:
    """A submitted call, and its ends."""

    def __init__(self, target, method, *arguments) -> None:
        self._ends = queue.SimpleQueue()
        target.submit(method, arguments, lambda *end: self._ends.put(end))

    def result(self, within=SOON):
        value, error = self._ends.get(timeout=within)
        if error is not None:
            raise error
        return value

    def has_ended(self) -> bool:
        return not self._ends.empty()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rdzv file")]


def test_many_nodes_of_a_process_share_two_threads_and_enter_in_one_write(endpoint, open_backend):
    """A hundred handlers enter, wait and read at once; the order is that of their submission."""
    backends = [open_backend(endpoint) for _ in range(100)]
    entering = [Call(each, "enter", b"%d" % number, TTL) for number, each in enumerate(backends)]
    leases = [call.result() for call in entering]
    assert [lease.ahead for lease in leases] == list(range(100))
    waiting = [Call(each, "wait_state", None, SOON) for each in backends]
    assert len([name for name in _threads() if "changes" not in name]) == 2
    _, token, _ = backends[0].set_state(b"there")
    assert {call.result() for call in waiting} == {(True, (b"there", token))}
    assert all(Call(each, "refresh", lease).result() for each, lease in zip(backends, leases, strict=True))
    assert Call(backends[1], "count").result() == 100


def test_the_threads_end_with_the_last_backend(endpoint):
    """And what is submitted to one that is closed ends at once, also while others go on."""
    before = _threads()
    one, other = (create_backend(RendezvousParameters("file", endpoint, "run", 1, 2)) for _ in range(2))
    waiting = [Call(each, "wait_state", None, SOON) for each in (one, other)]
    Call(one, "members").result()
    one.close()
    for call in (waiting[0], Call(one, "get_state"), Call(one, "enter", b"", TTL)):
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call.result()
    assert not waiting[1].has_ended()
    other.close()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        waiting[1].result()
    assert _threads() == before


def test_a_stopped_writer_holds_up_neither_refreshes_nor_reads_of_the_same_threads(endpoint, open_backend, start):
    """Who enters or updates waits for it, and is told who holds the lock; the others see nothing of it."""
    backend, hasty = open_backend(endpoint), open_backend(endpoint, lock_timeout=0.2)
    closing = open_backend(endpoint)
    lease = backend.enter(b"lives", TTL)
    stopped = start(STOP_IN_ENTER, endpoint)
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    patient, closed = Call(backend, "update", lease, b"later"), Call(closing, "enter", b"closes", TTL)
    with pytest.raises(RendezvousConnectionError, match=f"within 0.2 s: process {stopped.pid} on .* holds it"):
        Call(hasty, "enter", b"waits", TTL).result()
    closing.close()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        closed.result()
    assert Call(backend, "refresh", lease).result()
    assert [member.id for member in Call(backend, "members").result().members] == [lease.id]
    assert not patient.has_ended()
    stopped.send_signal(signal.SIGCONT)
    assert patient.result()
    assert backend.members().members[0].payload == b"later"


def test_a_member_whose_file_is_locked_holds_up_no_other_one(endpoint, open_backend):
    """Somebody who looks whether it is overdue was stopped there: it is tried again, and is an error in the end."""
    backend, hasty = open_backend(endpoint), open_backend(endpoint, lock_timeout=0.3)
    held, free = backend.enter(b"held", TTL), backend.enter(b"free", TTL)
    (file,) = Path(endpoint).parent.rglob(held.id)
    with file.open() as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        waiting = Call(backend, "refresh", held)
        assert Call(backend, "refresh", free).result()
        assert not waiting.has_ended()
        with pytest.raises(RendezvousConnectionError, match="looks whether this member is overdue holds it"):
            Call(hasty, "refresh", held).result()
    assert waiting.result()


def test_a_submitted_look_ends_an_overdue_member_without_waiting_for_it(endpoint, open_backend, monkeypatch):
    """The wait for members ends when that is written."""
    backend = open_backend(endpoint)
    dead = backend.enter(b"dead", 0.4)
    alive = backend.enter(b"alive", TTL)
    view = Call(backend, "members").result()
    while dead.id in [member.id for member in view.members]:
        assert Call(backend, "wait_members", view.version, SOON).result()
        view = Call(backend, "members").result()
    assert [member.id for member in view.members] == [alive.id]
    assert lease_file.last_refresh(str(next(Path(endpoint).parent.rglob("alive")) / dead.id)) is None


def test_a_read_of_a_round_s_store_waits_without_a_thread(endpoint, open_backend):
    """It ends with the key, or names it when its time is over."""
    writer, stores = open_backend(endpoint).store("round"), [open_backend(endpoint).store("round") for _ in range(20)]
    waiting = [Call(store, "get", "late", SOON) for store in stores]
    with pytest.raises(RendezvousTimeoutError, match="'never' not set"):
        Call(stores[0], "get", "never", 0.05).result()
    writer.multi_set({"late": b"here", "other": b"too"})
    assert {call.result() for call in waiting} == {b"here"}
    assert Call(stores[1], "multi_get", ["late", "other"], 0).result() == [b"here", b"too"]
    assert Call(stores[1], "check", ["late", "never"]).result() is False
    assert Call(stores[1], "wait", ["late"], 0).result() is None


def test_a_forked_child_submits_by_threads_of_its_own(endpoint, open_backend):
    """The parent's are not there, and what it submitted is not done twice."""
    backend = open_backend(endpoint)
    waiting = Call(backend, "wait_state", None, SOON)
    lease = Call(backend, "enter", b"parent", TTL).result()
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = (
                Call(backend, "enter", b"child", TTL).result().ahead == 1 and Call(backend, "refresh", lease).result()
            )
            backend.close()
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not waiting.has_ended()
    backend.set_state(b"x")
    assert waiting.result()[0]
    assert [member.payload for member in backend.members().members] == [b"parent", b"child"]


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_what_done_raises_ends_no_call_of_another(endpoint, open_backend, caplog, error):
    """Entries that are written together, and waits that end together, are each told; the log says what was raised."""
    backend = open_backend(endpoint)
    ends = queue.SimpleQueue()

    def fail(*end) -> None:
        ends.put(end)
        raise error("of a done")

    waiting = []
    for method, arguments in (("enter", (b"", TTL)), ("wait_state", (None, SOON)), ("get_state", ())):
        backend.submit(method, arguments, fail)
        waiting.append(Call(backend, method, *arguments))
    backend.set_state(b"there")
    for call in waiting:
        call.result()
    assert [ends.get(timeout=SOON)[1] for _ in waiting] == [None] * 3
    assert ends.empty()
    assert any(record.exc_info and record.exc_info[0] is error for record in caplog.records)


def test_any_number_of_members_can_be_asked_for(endpoint, open_backend):
    """More than a machine word counts are all, as with a call."""
    backend = open_backend(endpoint)
    backend.enter(b"only", TTL)
    for k in (2**63, 10**30):
        assert Call(backend, "first", k).result() == backend.first(k) == backend.members()
    assert Call(backend, "first", -1).result().members == ()

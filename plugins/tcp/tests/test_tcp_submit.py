"""Submitted calls: the same answers as those that a thread waits for, without the thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp._backend import session_of
from rdzv_tcp._client.errors import ConnectionLost

from rdzv_core import RendezvousConnectionError, RendezvousTimeoutError
from rdzv_core.abc import SupportsSubmit

Open = Callable[..., TcpBackend]


class Submitting:
    """Posts calls, and gives how each ended."""

    def __init__(self, target: SupportsSubmit, method: str, *arguments: Any) -> None:
        self._ends: queue.Queue[tuple[Any, Exception | None]] = queue.Queue()
        target.submit(method, arguments, lambda result, error: self._ends.put((result, error)))

    def result(self, timeout: float = 20.0) -> Any:
        result, error = self._ends.get(timeout=timeout)
        if error is not None:
            raise error
        return result

    @property
    def ended(self) -> int:
        return self._ends.qsize()


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("rdzv tcp")]


def test_a_submitted_call_gives_what_the_method_gives(backend: TcpBackend) -> None:
    """Every method that can be submitted has the result that it has when it is called."""
    assert Submitting(backend, "get_state").result() is None
    written = backend.set_state(b"x")
    assert written is not None
    assert Submitting(backend, "get_state").result() == backend.get_state()
    assert Submitting(backend, "wait_state", None, 5.0).result() == (True, backend.get_state())
    assert Submitting(backend, "wait_state", written.token, 0.05).result() == (False, backend.get_state())
    member = Submitting(backend, "enter", b"payload", 30.0).result()
    assert [one.id for one in backend.members().members] == [member.id]
    assert Submitting(backend, "members").result() == backend.members()
    assert Submitting(backend, "first", 1).result() == backend.first(1)
    assert Submitting(backend, "update", member, b"other").result() is True
    assert backend.members().members[0].payload == b"other"
    assert Submitting(backend, "refresh", member).result() is True
    assert Submitting(backend, "wait_members", backend.members().version, 0.05).result() is False
    backend.leave(member)
    assert Submitting(backend, "refresh", member).result() is False


def test_a_store_s_submitted_get_gives_the_value_or_times_out(backend: TcpBackend) -> None:
    """A key that is there, or comes, is given; one that does not come is named after the timeout."""
    store = backend.store("round")
    assert isinstance(store, SupportsSubmit)
    waiting = Submitting(store, "get", "key", 20.0)
    store.set("key", b"value")
    assert waiting.result() == b"value"
    with pytest.raises(RendezvousTimeoutError, match="'other'"):
        Submitting(store, "get", "other", 0.05).result()


def test_a_bad_argument_is_the_error_of_a_submitted_call(backend: TcpBackend) -> None:
    """What the method would raise before it asks anything is handed on, and `submit` itself raises nothing."""
    with pytest.raises(ValueError, match="ttl"):
        Submitting(backend, "enter", b"", -1.0).result()


def test_two_hundred_submitted_waits_take_one_thread(backend: TcpBackend) -> None:
    """However many calls are submitted, the connection has one reader; one write ends all the waits."""
    before = threading.active_count()
    waits = [Submitting(backend, "wait_state", None, 60.0) for _ in range(200)]
    assert Submitting(backend, "get_state").result() is None  # answered after the waits have arrived
    assert threading.active_count() <= before + 1
    written = backend.set_state(b"x")
    assert written is not None
    assert all(wait.result() == (True, (b"x", written.token)) for wait in waits)


def test_close_ends_submitted_calls_and_the_reader(server: TcpServer, open_backend: Open) -> None:
    """After `close` every submitted call, also a new one, has ended once with an error, and the reader is gone."""
    backend = open_backend(str(server.endpoint))
    waits = [Submitting(backend, "wait_state", None, 60.0) for _ in range(20)]
    backend.close()
    for wait in [*waits, Submitting(backend, "get_state")]:
        with pytest.raises(RendezvousConnectionError, match="closed"):
            wait.result()
    for thread in readers():
        thread.join(10)
    assert not readers()
    assert [wait.ended for wait in waits] == [0] * len(waits)


def test_close_ends_the_calls_of_one_instance_only(server: TcpServer, open_backend: Open) -> None:
    """The instances of a process share a connection; one that closes takes nothing from the others."""
    one, other = open_backend(str(server.endpoint)), open_backend(str(server.endpoint))
    mine, theirs = Submitting(one, "wait_state", None, 60.0), Submitting(other, "wait_state", None, 60.0)
    one.close()
    with pytest.raises(RendezvousConnectionError):
        mine.result()
    written = other.set_state(b"x")
    assert written is not None
    assert theirs.result() == (True, (b"x", written.token))


def test_E9_submitted_waits_go_on_over_a_restart(open_backend: Open, serve: Callable[..., Any]) -> None:
    """E9: a server that is killed and started again answers those who had submitted a wait: the state is gone."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=20)
    written = backend.set_state(b"x")
    assert written is not None
    waits = [Submitting(backend, "wait_state", written.token, 60.0) for _ in range(30)]
    assert Submitting(backend, "get_state").result() == (b"x", written.token)
    server.end(signal.SIGKILL)
    serve(server.endpoint)
    assert [wait.result() for wait in waits] == [(True, None)] * 30


def test_submitted_calls_on_a_dead_server_end_in_time(open_backend: Open, serve: Callable[..., Any]) -> None:
    """With nobody to connect to, a submitted call raises within its read timeout: it says the store host was lost."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=2)
    assert Submitting(backend, "get_state").result() is None
    server.end(signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match="lost the store host"):
        Submitting(backend, "get_state").result()
    assert time.monotonic() - started < 10


def test_submitted_calls_on_a_stopped_server_end_in_time(open_backend: Open, serve: Callable[..., Any]) -> None:
    """A server that is stopped answers nobody: a submitted call says so within its read timeout."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=2)
    assert Submitting(backend, "get_state").result() is None
    server.send(signal.SIGSTOP)
    with pytest.raises(RendezvousConnectionError, match="stopped answering"):
        Submitting(backend, "get_state").result()
    server.send(signal.SIGCONT)
    assert Submitting(backend, "get_state").result() is None


@pytest.mark.parametrize("reader", [True, False], ids=["that reads", "that connects again"])
def test_a_refused_thread_ends_the_call_that_needed_it_and_no_other(
    reader: bool, server: TcpServer, open_backend: Open, refuse_thread: Callable[[str], None]
) -> None:
    """RDZV-SUBMIT-2, -4: without a thread left `submit` raises nothing, the call ends, and the next one works."""
    backend = open_backend(str(server.endpoint), is_host=False)
    if not reader:
        connection = session_of(backend).client.connection
        assert connection is not None
        connection.break_off(ConnectionLost("cut"))
    refuse_thread("reader" if reader else "connects again")
    with pytest.raises(RendezvousConnectionError, match=r"refused this process a thread \(can't start new thread\)"):
        Submitting(backend, "get_state").result()
    assert Submitting(backend, "get_state").result() is None


def test_who_enters_and_gets_no_thread_is_told_so(
    server: TcpServer, open_backend: Open, refuse_thread: Callable[[str], None]
) -> None:
    """Nobody is a member on a connection that nobody minds; also where it is made for one who was a member before."""
    backend = open_backend(str(server.endpoint), is_host=False)
    refuse_thread("reader")
    with pytest.raises(RendezvousConnectionError, match="refused this process a thread"):
        backend.enter(b"", 600.0)
    lease = backend.enter(b"", 600.0)
    connection = session_of(backend).client.connection
    assert connection is not None
    refuse_thread("reader")
    connection.break_off(ConnectionLost("cut"))
    with contextlib.suppress(RendezvousConnectionError):  # unless the thread was refused before it asked
        backend.refresh(lease)
    assert backend.refresh(lease) is True


def test_submitted_and_awaited_calls_share_a_connection(
    backend: TcpBackend, in_threads: Callable[..., list[Any]]
) -> None:
    """Threads that wait for their own answers and submitted calls take nothing from each other."""
    written = backend.set_state(b"x")
    assert written is not None
    submitted = [Submitting(backend, "wait_state", written.token, 60.0) for _ in range(10)]

    def both(number: int) -> Any:
        return backend.get_state() if number % 2 else Submitting(backend, "get_state").result()

    assert (
        in_threads(16, lambda number: [both(number + turn) for turn in range(50)])
        == [[(b"x", written.token)] * 50] * 16
    )
    after = backend.set_state(b"y", written.token)
    assert after is not None
    assert all(wait.result() == (True, (b"y", after.token)) for wait in submitted)


def test_a_forked_child_submits_on_a_connection_of_its_own(backend: TcpBackend, run_python: Callable[..., Any]) -> None:
    """The reader of the parent's connection stays in the parent; the child's first call makes a new connection."""
    code = """
import os, queue, sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", sys.argv[1], "fork", 1, 1, is_host=False, read_timeout=10))
def ask():
    ends = queue.Queue()
    backend.submit("get_state", (), lambda result, error: ends.put((result, error)))
    return ends.get(timeout=20)
assert ask() == (None, None)
child = os.fork()
if not child:
    os._exit(0 if ask() == (None, None) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert ask() == (None, None)
backend.close()
print("both")
"""
    output, _ = run_python(code, backend.endpoint).communicate(timeout=60)
    assert "both" in output


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_state", (1,)),
        ("wait_state", (b"x",)),
        ("wait_state", (None, "soon")),
        ("wait_state", (None, 1.0, 2)),
        ("enter", ()),
        ("enter", (b"", "long")),
        ("first", ("one",)),
        ("first", (object(),)),
        ("refresh", (object(),)),
    ],
)
def test_wrong_arguments_are_an_error_for_done(backend: TcpBackend, method: str, arguments: tuple[Any, ...]) -> None:
    """`submit` raises nothing, and the instance works on."""
    submitted = Submitting(backend, method, *arguments)
    with pytest.raises((TypeError, ValueError, AttributeError)):
        submitted.result()
    assert Submitting(backend, "get_state").result() is None


def test_wrong_arguments_of_a_store_are_an_error_for_done(backend: TcpBackend) -> None:
    """A store submits as its backend does."""
    store = backend.store("prefix")
    assert isinstance(store, SupportsSubmit)
    for arguments in ((), ("key", 1.0, 2), (object(), 1.0), ("key", "soon")):
        submitted = Submitting(store, "get", *arguments)
        with pytest.raises((TypeError, ValueError, AttributeError)):
            submitted.result()


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_what_done_raises_ends_no_call_of_another(
    backend: TcpBackend, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Of calls that end together each is told, the connection stays, and the log says what was raised, and no more."""

    def fail(*_: object) -> None:
        raise error("of a done")

    connection = session_of(backend).client._connection
    for _ in range(3):
        backend.submit("wait_state", (None, 20.0), fail)
    waits = [Submitting(backend, "wait_state", None, 20.0) for _ in range(3)]
    backend.set_state(b"x")
    assert [wait.result()[0] for wait in waits] == [True] * 3
    assert session_of(backend).client._connection is connection
    raised = [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[0] is error]
    assert [each and each.__context__ for each in raised] == [None] * 3

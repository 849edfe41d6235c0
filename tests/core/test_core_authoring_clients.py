"""What authors build on: guarded calls, shared clients, and asyncio clients, with real threads, forks and sockets."""

from __future__ import annotations

import asyncio
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rdzv_core import RendezvousConnectionError
from rdzv_core.authoring import AsyncClient, CallGuard, SharedClients

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_a_child(does: Callable[[], str]) -> str:
    """Fork, let the child do something, and return what it returns."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(tell, does().encode())
        except BaseException as error:  # noqa: BLE001 - told to the parent
            os.write(tell, f"raised {error!r}".encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as answers:
        said = answers.read()
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def guard() -> CallGuard:
    """A guard of calls that may take 20 s."""
    return CallGuard("mine at 'here'", 20.0)


# Calls


def test_a_call_has_a_deadline(guard: CallGuard) -> None:
    """What is left is never negative, and a check then says so."""
    with guard.call(0.01) as call:
        with pytest.raises(RendezvousConnectionError, match=r"mine at 'here': no answer within 0\.01 s"):
            call.pause(5)
        assert call.left == 0


def test_a_close_ends_pauses_and_interrupts_calls(guard: CallGuard) -> None:
    """In whatever thread they are, and what an interrupt raises harms no other."""
    interrupted, pausing, raised = threading.Event(), threading.Barrier(2), []

    def broken() -> None:
        raise OSError("cannot be interrupted")

    def wait() -> None:
        try:
            with guard.call() as call, call.interruptible(broken), call.interruptible(interrupted.set):
                pausing.wait(20)
                call.pause(20)
        except RendezvousConnectionError as error:
            raised.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    pausing.wait(20)
    guard.close()
    thread.join(20)
    assert len(raised) == 1
    assert "mine at 'here' was closed" in raised[0]
    assert interrupted.is_set()


def test_a_call_that_begins_after_a_close_is_refused(guard: CallGuard) -> None:
    """The same holds for one that is about to wait."""
    with guard.call() as call:
        guard.close()
        with pytest.raises(RendezvousConnectionError, match="was closed"), call.interruptible(lambda: None):
            pytest.fail("it was closed before")
    with pytest.raises(RendezvousConnectionError, match="was closed"), guard.call():
        pytest.fail("it is closed")


def test_whatever_an_interrupted_library_raises_is_a_closed_instance(guard: CallGuard) -> None:
    """A file that was closed under its reader is a ValueError; a bad argument outside of the wait stays one."""
    with guard.call() as call:
        with pytest.raises(RendezvousConnectionError, match="was closed during a call") as raised:  # noqa: PT012, SIM117
            with call.interruptible(lambda: None):
                guard.close()
                raise ValueError("I/O operation on closed file")
        assert isinstance(raised.value.__cause__, ValueError)


def test_a_fork_leaves_the_parents_calls_alone(guard: CallGuard) -> None:
    """The child has none of them: its close interrupts nothing, and its own calls work."""
    interrupted: list[str] = []

    def does() -> str:
        with guard.call() as own:
            own.check()
        guard.close()
        return f"{len(interrupted)} interrupted, closed {guard.is_closed}"

    with guard.call() as call, call.interruptible(lambda: interrupted.append("parent")):
        assert in_a_child(does) == "0 interrupted, closed True"
        call.check()
    guard.close()
    assert in_a_child(lambda: str(guard.is_closed)) == "True"


# Shared clients


class Clients:
    """Counts what is made and closed."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.closed: list[str] = []
        self.shared: SharedClients[str, str] = SharedClients(self.make, self.closed.append)

    def make(self, key: str) -> str:
        self.made.append(key)
        return f"{key} of {os.getpid()}"


def test_a_client_is_made_once_for_all_who_hold_it_and_closed_with_the_last() -> None:
    """Another key has another one; one that nobody asked for is never made."""
    clients = Clients()
    holds = [clients.shared.hold(key) for key in ("a", "a", "b", "c")]
    assert len({hold.client() for hold in holds[:3]}) == 2
    assert clients.made == ["a", "b"]
    holds[0].release()
    holds[0].release()
    assert clients.closed == []
    with pytest.raises(RendezvousConnectionError, match="released"):
        holds[0].client()
    for hold in holds:
        hold.release()
    assert [each.split()[0] for each in clients.closed] == ["a", "b"]
    assert clients.shared.hold("a").client()
    assert clients.made == ["a", "b", "a"]


def test_a_call_that_the_last_release_overtakes_makes_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would ever close it: it begins before the release, and asks for the client after it."""
    clients = Clients()
    hold, client_of = clients.shared.hold("a"), clients.shared._client
    hold.client()

    def overtaken(key: str, entry: Any) -> str:
        hold.release()
        return client_of(key, entry)

    monkeypatch.setattr(clients.shared, "_client", overtaken)
    with pytest.raises(RendezvousConnectionError, match="released"):
        hold.client()
    assert (clients.made, len(clients.closed)) == (["a"], 1)


def test_a_client_that_cannot_be_made_is_tried_again() -> None:
    """The first who asks gets the error, the next one a client."""
    answers: list[Any] = [OSError("refused"), "client"]

    def make(key: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    hold = SharedClients(make, lambda client: None).hold("a")
    with pytest.raises(OSError, match="refused"):
        hold.client()
    assert hold.client() == "client"


def test_the_child_of_a_fork_makes_its_own_and_closes_none_of_its_parents() -> None:
    """Though a thread of the parent's was making one, under a lock that the child has not got."""
    clients = Clients()
    hold = clients.shared.hold("a")
    here = hold.client()
    making, go = threading.Event(), threading.Event()

    def slowly(key: str) -> str:
        making.set()
        assert go.wait(20)
        return key

    slow = SharedClients(slowly, lambda client: None)
    slow_hold = slow.hold("a")
    thread = threading.Thread(target=slow_hold.client)
    thread.start()
    assert making.wait(20)

    def does() -> str:
        go.set()
        there = hold.client()
        hold.release()
        return f"{there != here} {clients.closed == [there]} {slow_hold.client()}"

    assert in_a_child(does) == "True True a"
    go.set()
    thread.join(20)
    assert hold.client() == here
    assert clients.closed == []


# Asyncio clients


class Echo(socketserver.StreamRequestHandler):
    """Answers each line with it; stays silent where it is "silent"."""

    def handle(self) -> None:
        for line in self.rfile:
            if line != b"silent\n":
                self.wfile.write(line)


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that echoes."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


class Connection:
    """What an asyncio library gives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, line: str) -> str:
        self.writer.write(f"{line}\n".encode())
        return (await self.reader.readline()).decode().strip()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def client(port: int) -> Iterator[AsyncClient[Connection]]:
    """A client of that server."""

    async def connect() -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", port))

    made = AsyncClient(connect, Connection.close)
    yield made
    made.close()


def test_a_coroutine_is_run_from_any_thread_and_from_a_child(client: AsyncClient[Connection], guard: CallGuard) -> None:
    """One connection and one thread here, and others in the child."""

    def ask(line: str) -> str:
        with guard.call() as call:
            return client.run(lambda connection: connection.ask(line), call)

    assert ask("first") == "first"
    before = threading.active_count()
    assert ask("second") == "second"
    assert threading.active_count() == before
    assert in_a_child(lambda: ask("in the child")) == "in the child"
    assert ask("third") == "third"


def test_the_call_ends_at_its_deadline_and_at_a_close(client: AsyncClient[Connection], guard: CallGuard) -> None:
    """Its coroutine is cancelled, and the client goes on for others."""
    with pytest.raises(RendezvousConnectionError, match="no answer within"), guard.call(0.05) as call:
        client.run(lambda connection: connection.ask("silent"), call)
    started = threading.Event()

    async def silent(connection: Connection) -> str:
        started.set()
        await asyncio.sleep(60)
        return ""

    raised: list[str] = []

    def wait() -> None:
        try:
            with guard.call() as call:
                client.run(silent, call)
        except RendezvousConnectionError as error:
            raised.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(20)
    guard.close()
    thread.join(20)
    assert len(raised) == 1
    assert "mine at 'here' was closed" in raised[0]
    with CallGuard("another", 20).call() as call:
        assert client.run(lambda connection: connection.ask("on"), call) == "on"


def test_what_the_coroutine_raises_is_raised(client: AsyncClient[Connection], guard: CallGuard) -> None:
    """A timeout of its own, too, and the call goes on."""

    async def fails(connection: Connection) -> None:
        raise asyncio.TimeoutError("the library's own")

    with guard.call() as call:
        with pytest.raises(asyncio.TimeoutError, match="the library's own"):
            client.run(fails, call)
        call.check()


def test_a_closed_client_leaves_no_thread_and_says_so(client: AsyncClient[Connection], guard: CallGuard) -> None:
    """Idempotent."""
    before = set(threading.enumerate())
    with guard.call() as call:
        client.run(lambda connection: connection.ask("x"), call)
        mine = [each for each in threading.enumerate() if each not in before and each.name == "rdzv async client"]
        client.close()
        client.close()
        assert [each.is_alive() for each in mine] == [False]
        with pytest.raises(RendezvousConnectionError, match="this client was closed"):
            client.run(lambda connection: connection.ask("x"), call)


OUTLIVES = """
from rdzv_core.authoring import CallGuard
class Owner: pass
owner = Owner()
owner.guard, owner.itself = CallGuard("x", 1.0), owner
def keeps(): return owner
"""


def test_one_who_is_never_closed_leaves_no_traceback_at_exit() -> None:
    """Also where it is freed after everything else, by the collector of cycles."""
    ended = subprocess.run([sys.executable, "-c", OUTLIVES], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == ""

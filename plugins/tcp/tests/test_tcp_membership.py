"""Memberships over the wire: connections that are lost, servers that stand still, and what it costs."""

from __future__ import annotations

import contextlib
import math
import queue
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rdzv_conformance import Proxy
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp._backend import server_of, session_of
from rdzv_tcp._client.client import Client
from rdzv_tcp._client.connection import ClientConnection
from rdzv_tcp._client.errors import NoAnswer
from rdzv_tcp._client.pending_calls import PendingCall
from rdzv_tcp._client.reconnect import Reconnector
from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._protocol import PROTOCOL, Claim, Enter, Hello, Members, Set, encode, frame
from rdzv_tcp._server.server import probe
from rdzv_tcp._server.service import Service
from rdzv_tcp._state import members as _members
from rdzv_tcp._state.member_entry import MemberEntry

from rdzv_core import MemberLease, RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort

LIMIT = 20.0


def ids(backend: TcpBackend) -> list[str]:
    """Return the ids of those who are there."""
    return [member.id for member in backend.members().members]


def await_members(backend: TcpBackend, expected: list[str]) -> float:
    """Wait until exactly `expected` are there; gives the seconds that took."""
    began = time.monotonic()
    while True:
        view = backend.members()
        if [member.id for member in view.members] == expected:
            return time.monotonic() - began
        assert time.monotonic() < began + LIMIT, view
        backend.wait_members(view.version, 1.0)


MEMBER = """
import sys
from rdzv_core import RendezvousParameters, create_backend
options = {"tls_ca": sys.argv[3]} if len(sys.argv) > 3 else {}
backend = create_backend(RendezvousParameters("tcp", sys.argv[1], "run", 1, 2, is_host=False, **options))
print(backend.enter(b"child", float(sys.argv[2])).id, flush=True)
sys.stdin.readline()
backend.close()
"""


def test_a_lease_of_another_run_is_none(backend: TcpBackend, open_backend: Callable[..., TcpBackend]) -> None:
    """The server finds a member by its id alone: on a backend of another run its lease renews, and ends, nobody."""
    lease = backend.enter(b"ours", 3600.0)
    other = open_backend(backend.endpoint, "another run", is_host=False)
    version = backend.members().version
    assert not other.refresh(lease)
    assert not other.update(lease, b"theirs")
    other.leave(lease)
    assert backend.members().version == version
    other.close()
    with pytest.raises(RendezvousConnectionError):
        other.refresh(lease)


@pytest.mark.parametrize("ends", ["killed", "closed"])
def test_who_dies_or_closes_without_leaving_is_gone_before_its_ttl(
    ends: str, backend: TcpBackend, run_python: Callable[..., Any]
) -> None:
    """The end of a process's last connection, not its ttl of an hour, ends its membership: after the grace."""
    stays = backend.enter(b"stays", 3600.0)
    child = run_python(MEMBER, backend.endpoint, "3600")
    gone = child.stdout.readline().strip()
    assert ids(backend) == [stays.id, gone]
    if ends == "killed":
        child.kill()
    child.communicate("\n" if ends == "closed" else None, timeout=LIMIT)
    await_members(backend, [stays.id])


def test_a_killed_process_is_missed_over_tls_as_well(
    open_backend: Callable[..., TcpBackend], authority: Any, run_python: Callable[..., Any]
) -> None:
    """TLS ends without a word of its own: what counts is the end of the connection below it."""
    options = {"tls_ca": authority.ca, "tls_cert": authority.cert, "tls_key": authority.key}
    backend = open_backend("127.0.0.1:0", **options)
    stays = backend.enter(b"stays", 3600.0)
    child = run_python(MEMBER, backend.endpoint, "3600", authority.ca)
    goes = child.stdout.readline().strip()
    assert ids(backend) == [stays.id, goes]
    child.kill()
    await_members(backend, [stays.id])


def test_a_stopped_process_stays_for_its_ttl(backend: TcpBackend, run_python: Callable[..., Any]) -> None:
    """Its system keeps its connection: nothing says that it is gone until its ttl is over."""
    child = run_python(MEMBER, backend.endpoint, "3600")
    member = child.stdout.readline().strip()
    child.send_signal(signal.SIGSTOP)
    version = backend.members().version
    assert backend.wait_members(version, 1.5) is False
    assert ids(backend) == [member]


def test_a_process_with_members_connects_again_by_itself(
    backend: TcpBackend, open_backend: Callable[..., TcpBackend]
) -> None:
    """A client that lost its connection claims itself on the next one, even if it makes no call meanwhile."""
    client = open_backend(f"127.0.0.1:{backend.endpoint.rpartition(':')[2]}", is_host=False)
    lease = client.enter(b"here", 600.0)
    core = probe(server_of(backend)).core
    kept = lease_at(server_of(backend), lease)
    for _ in range(3):
        before = set(core.connections)
        for peer in before:
            peer.transport.get_extra_info("socket").shutdown(2)
        await_condition(
            lambda: (
                not before & set(core.connections)  # noqa: B023
                and core.state.members.connection_of(kept.client) in core.connections
            )
        )
        assert kept.end == kept.ends
    assert client.refresh(lease) is True


def test_a_connection_that_ends_while_it_is_made_is_followed_by_another_one() -> None:
    """The thread that connects is told of its end before it has noted that there is one."""

    class Client:
        def __init__(self) -> None:
            self.attempts = 0

        def connected(self, call: PendingCall, deadline: float) -> None:
            self.attempts += 1
            if self.attempts == 1:
                reconnector.call_back()

    client: Any = Client()
    reconnector = Reconnector(client)
    reconnector.call_back()
    await_condition(lambda: not reconnector.running)
    assert client.attempts == 2


@pytest.fixture
def proxy(server: TcpServer) -> Iterator[Proxy]:
    """A proxy in front of `server`, which it does not know from a client."""
    with Proxy("127.0.0.1", server.endpoint.port) as there:
        yield there


def lease_at(server: TcpServer, lease: MemberLease) -> MemberEntry:
    """Return a lease as its server has it."""
    entry = probe(server).core.state.members.find(bytes.fromhex(lease.id))
    assert entry is not None
    return entry


def await_condition(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("way", ["ended in order", "reset", "silent"])
def test_RDZV_MEMBER_14_a_process_that_lives_stays_whatever_becomes_of_its_connection(
    way: str, server: TcpServer, proxy: Proxy, open_backend: Callable[..., TcpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a member for its ttl, its calls raise meanwhile and never say that it is none, and then work again."""
    monkeypatch.setattr("rdzv_tcp._state.member_entry.GRACE_SECONDS", 0.0)
    client = open_backend(f"localhost:{proxy.port}", is_host=False, read_timeout=2)
    lease = client.enter(b"here", 600.0)
    kept, before = lease_at(server, lease), set(probe(server).core.connections)
    if way == "silent":
        proxy.pause()
    else:
        proxy.cut(in_order=way == "ended in order")
        await_condition(lambda: not before & set(probe(server).core.connections))
    for call in (lambda: client.refresh(lease), lambda: client.update(lease, b"new")):
        with pytest.raises(RendezvousConnectionError) as caught:
            call()
        assert not isinstance(caught.value, RendezvousConfigurationError)
    assert kept.end == kept.ends
    assert ids(open_backend(str(server.endpoint))) == [lease.id]
    if way == "silent":
        proxy.resume()
    else:
        proxy.restore()
    assert client.refresh(lease) is True


def test_where_addresses_are_translated_the_end_of_a_connection_says_nothing(
    server: TcpServer, raw_peer: Callable[..., Any]
) -> None:
    """A client that sees another address than the server does is behind something, which may end the connection."""
    for number, address in enumerate(["", "10.0.0.7:{port}", "127.0.0.1:1", "127.0.0.1", "127.0.0.1:{port}"]):
        peer, member = raw_peer(server, hello=False), bytes([number]) * 16
        address = address.format(port=peer.socket.getsockname()[1])
        peer.ask(Hello(PROTOCOL, b"", address))
        peer.ask(Enter("run", member, b"", 600.0, member))
        peer.socket.close()
    await_condition(lambda: not probe(server).core.connections)
    leases = probe(server).core.state.members.entries()
    assert [lease.end == lease.ends for lease in leases] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("sockaddr", "written"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::ffff:10.1.2.3", 80, 0, 0), "10.1.2.3:80"),
        (("fe80::1%eth0", 80, 0, 3), "[fe80::1]:80"),
        (("fe80:0::01", 80, 0, 0), "[fe80::1]:80"),
        (None, ""),
        ("", ""),
    ],
)
def test_both_ends_write_an_address_alike(sockaddr: Any, written: str) -> None:
    """Whatever the family of the socket by which each sees it, and without the scope, which is a machine's own."""
    assert address_of(sockaddr) == written


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_client_without_anything_between_is_known_as_such(host: str, open_backend: Callable[..., TcpBackend]) -> None:
    """Over IPv4 and IPv6, by address and by name."""
    backend = open_backend(str(HostPort(host, 0)))
    backend.enter(b"", 600.0)
    assert [peer.direct for peer in probe(server_of(backend)).core.connections] == [True]


def break_off_silent(backend: TcpBackend, connection: ClientConnection) -> None:
    connection.break_off(NoAnswer("the server stopped answering"))


def break_off_interrupted(backend: TcpBackend, connection: ClientConnection) -> None:
    call = PendingCall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_await", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            connection.exchange(call, Members("run", 0, 0), time.monotonic() + LIMIT)


def be_closed_by_the_server(backend: TcpBackend, connection: ClientConnection) -> None:
    server = probe(server_of(backend))
    for peer in list(server.core.connections):
        server.loop.call_soon_threadsafe(peer.transport.close)


@pytest.mark.parametrize("how", [break_off_silent, break_off_interrupted, be_closed_by_the_server])
def test_a_client_that_lives_never_ends_a_connection_in_order(
    how: Callable[[TcpBackend, ClientConnection], None], backend: TcpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason for which it breaks one off: to the server an orderly end is that of the process."""
    ended: list[bool] = []
    disconnected = Service.disconnected

    def note(service: Service, caller: Any) -> None:
        ended.append(caller.said_end)
        disconnected(service, caller)

    monkeypatch.setattr(Service, "disconnected", note)
    lease = backend.enter(b"here", 600.0)
    connection = session_of(backend).client.connection
    assert connection is not None
    kept = lease_at(server_of(backend), lease)
    how(backend, connection)
    await_condition(lambda: bool(ended))
    assert backend.refresh(lease) is True
    assert ended == [False]
    assert kept.end == kept.ends


def test_each_of_a_process_s_clients_speaks_for_its_own_members(
    backend: TcpBackend, open_backend: Callable[..., TcpBackend]
) -> None:
    """An endpoint that is spelled in two ways has two clients: closing one ends nothing of the other, whose connection
    may be away at that moment.
    """
    other = open_backend(backend.endpoint.replace("127.0.0.1", "localhost"), is_host=False)
    stays, goes = backend.enter(b"stays", 600.0), other.enter(b"goes", 600.0)
    server = server_of(backend)
    kept, lost = lease_at(server, stays), lease_at(server, goes)
    other.close()
    await_condition(lambda: lost.end < lost.ends)
    assert kept.end == kept.ends


def test_a_name_that_is_not_known_for_a_while_is_asked_for_again(
    server: TcpServer, proxy: Proxy, open_backend: Callable[..., TcpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a server is started again its name may be gone: who was connected waits for it as for the server."""
    client = open_backend(f"localhost:{proxy.port}", is_host=False, read_timeout=60)
    lease = client.enter(b"here", 600.0)
    asked = threading.Event()
    with monkeypatch.context() as patch:

        def unknown(host: str, *rest: Any, **more: Any) -> Any:
            asked.set()
            return no_such_name()

        patch.setattr(socket, "getaddrinfo", unknown)
        proxy.cut()
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client.submit("refresh", (lease,), lambda result, error: told.put(error or result))
        renewing = threading.Thread(target=lambda: told.put(client.refresh(lease)))
        renewing.start()
        assert asked.wait(LIMIT)
        with pytest.raises(queue.Empty):
            told.get(timeout=0.1)
    proxy.restore()
    assert [told.get(timeout=LIMIT), told.get(timeout=LIMIT)] == [True, True]
    renewing.join(LIMIT)


def test_a_resolver_that_hangs_holds_no_call_beyond_its_time(
    proxy: Proxy, open_backend: Callable[..., TcpBackend], slow_resolver: Callable[..., Any]
) -> None:
    """Calls made on threads and submitted ones, though one attempt to connect waits for it on behalf of all."""
    patient = open_backend(f"localhost:{proxy.port}", is_host=False, read_timeout=60)
    hasty = open_backend(f"localhost:{proxy.port}", is_host=False, read_timeout=1)
    lease = patient.enter(b"here", 600.0)
    resolver = slow_resolver()
    proxy.cut()
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    patient.submit("refresh", (lease,), lambda result, error: told.put(error or result))
    await_condition(lambda: resolver.asked > 0)
    hasty.submit("refresh", (lease,), lambda result, error: told.put(error or result))
    with pytest.raises(RendezvousConnectionError):
        hasty.refresh(lease)
    assert isinstance(told.get(timeout=LIMIT), RendezvousConnectionError)
    proxy.restore()
    resolver.answer.set()
    assert told.get(timeout=LIMIT) is True


def no_such_name(*_: Any, **__: Any) -> Any:
    """Stand for a resolver that knows no name at all."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_an_end_that_is_noticed_late_is_not_taken_for_one_of_the_next_connection(backend: TcpBackend) -> None:
    """A client that has connected again need not do it once more, though the last reader reports its end only now."""
    lease = backend.enter(b"here", 600.0)
    client = session_of(backend).client
    connection = client.connection
    assert connection is not None
    connection.ended()
    assert not client.reconnecting
    assert backend.refresh(lease) is True
    assert client.connection is connection


def test_a_reset_connection_ends_no_lease(server: TcpServer, raw_peer: Callable[..., Any]) -> None:
    """A reset says nothing of the process, which may live and not know of it: its members stay for their ttl."""
    resets, closes = raw_peer(server), raw_peer(server)
    resets.ask(Enter("run", b"r" * 16, b"", 600.0, b"R" * 16))
    closes.ask(Enter("run", b"c" * 16, b"", 600.0, b"C" * 16))
    members = probe(server).core.state.members
    kept, given_up = members.find(b"r" * 16), members.find(b"c" * 16)
    resets.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    resets.socket.close()
    closes.socket.close()
    await_condition(lambda: not probe(server).core.connections)
    assert kept.end == kept.ends
    assert given_up.end < given_up.ends


def test_closing_one_of_several_instances_ends_nothing(
    backend: TcpBackend, open_backend: Callable[..., TcpBackend]
) -> None:
    """The connection is the process's: as long as anybody there uses it, its members are alive."""
    other = open_backend(backend.endpoint)
    lease = other.enter(b"here", 600.0)
    other.close()
    kept = lease_at(server_of(backend), lease)
    assert kept.end == kept.ends
    assert backend.refresh(lease) is True
    with pytest.raises(RendezvousConnectionError, match="closed"):
        other.refresh(lease)


def test_RDZV_MEMBER_9_a_restarted_server_has_another_incarnation(
    serve: Callable[..., Any], open_backend: Callable[..., TcpBackend]
) -> None:
    """Old memberships have ended, for good; who enters again learns the new incarnation."""
    first = serve()
    backend = open_backend(first.endpoint, is_host=False)
    lease = backend.enter(b"", 600.0)
    before = backend.members()
    first.end(signal.SIGKILL)
    serve(first.endpoint)
    assert backend.refresh(lease) is False
    assert backend.update(lease, b"back") is False
    after = backend.members()
    assert after.members == ()
    assert backend.wait_members(before.version, LIMIT) is True
    again = backend.enter(b"", 600.0)
    assert again.incarnation == after.incarnation != before.incarnation == lease.incarnation


def test_RDZV_MEMBER_10_a_stopped_server_gives_everybody_a_fresh_ttl(
    serve: Callable[..., Any], open_backend: Callable[..., TcpBackend]
) -> None:
    """Stopped for longer than a ttl it then ends nobody who renews within the next one, and does end who does not."""
    server = serve()
    stays, observer = (open_backend(server.endpoint, is_host=False) for _ in range(2))
    ttl = 2.0
    lease, silent = stays.enter(b"", ttl), observer.enter(b"", ttl)
    server.send(signal.SIGSTOP)
    continued = threading.Timer(1.5 * ttl, server.send, [signal.SIGCONT])
    continued.start()
    # This renewal waits in the server's socket, and is answered as the first thing after it.
    assert stays.refresh(lease) is True
    continued.join()
    assert ids(observer) == [lease.id, silent.id]
    deadline = time.monotonic() + LIMIT
    while silent.id in ids(observer):
        assert stays.refresh(lease) is True
        assert time.monotonic() < deadline
        view = observer.members()
        observer.wait_members(view.version, ttl / 4)
    assert ids(observer) == [lease.id]


def test_a_server_whose_loop_stood_still_ends_nobody_by_that(backend: TcpBackend) -> None:
    """The loop of the server is kept busy for longer than a ttl: the member is there, and may renew."""
    lease = backend.enter(b"", 0.5)
    loop = probe(server_of(backend)).loop
    busy, done = threading.Event(), threading.Event()

    def stand_still() -> None:
        busy.set()
        done.wait(LIMIT)

    loop.call_soon_threadsafe(stand_still)
    assert busy.wait(LIMIT)
    threading.Timer(1.0, done.set).start()
    assert backend.refresh(lease) is True
    assert ids(backend) == [lease.id]
    await_members(backend, [])


def test_a_refresh_is_less_than_200_bytes_each_way(
    server: TcpServer, open_backend: Callable[..., TcpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the run's name is, and however many members there are."""
    backend = open_backend(str(server.endpoint), run_id="r" * 200, is_host=False)
    lease = backend.enter(b"p" * 4096, 600.0)
    for _ in range(50):
        backend.enter(b"p" * 4096, 600.0)
    connection = session_of(backend).client.connection
    assert connection is not None
    sent, received = connection.bytes_sent, connection.bytes_received
    assert backend.refresh(lease) is True
    assert connection.bytes_sent - sent < 200
    assert connection.bytes_received - received < 200


def test_many_large_members_are_read_whole(backend: TcpBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits into one answer: all of them, in order, of one version."""
    monkeypatch.setattr(_members, "PAGE_BYTES", 10_000)
    leases = [backend.enter(b"%d" % number * 1000, 600.0) for number in range(25)]
    view = backend.members()
    assert [member.id for member in view.members] == [lease.id for lease in leases]
    assert [len(member.payload) for member in view.members] == [len(b"%d" % number) * 1000 for number in range(25)]
    assert len(backend.first(12).members) == 12
    assert backend.count() == 25


def test_a_wait_for_members_holds_up_nobody(backend: TcpBackend, in_threads: Callable[..., list[Any]]) -> None:
    """Threads wait for a change on the connection on which another then makes it."""
    version = backend.members().version

    def act(number: int) -> object:
        return backend.enter(b"", 600.0).id if number == 0 else backend.wait_members(version, LIMIT)

    entered, *woken = in_threads(8, act)
    assert woken == [True] * 7
    assert ids(backend) == [entered]


def test_an_entry_whose_answer_was_lost_is_one_member(
    open_backend: Callable[..., TcpBackend], lossy: Any, server: TcpServer
) -> None:
    """The client sends the very same entry again: it is entered once, and its lease is good."""
    backend = open_backend(lossy.endpoint, is_host=False)
    lossy.lose_next_answer()
    lease = backend.enter(b"me", 600.0)
    assert lossy.lost == 1
    assert ids(backend) == [lease.id]
    assert backend.refresh(lease) is True


def test_a_forked_child_is_another_client(backend: TcpBackend, run_python: Callable[..., Any]) -> None:
    """What the parent entered ends with the parent, though a child of it lives on and has connected since."""
    code = """
import os, signal, sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", sys.argv[1], "run", 1, 2, is_host=False))
print(backend.enter(b"parent", 600.0).id, flush=True)
if os.fork() == 0:
    backend.enter(b"child", 600.0)
    print("entered", flush=True)
    sys.stdin.readline()
    os._exit(0)
signal.pause()
"""
    process = run_python(code, backend.endpoint)
    parent = process.stdout.readline().strip()
    assert process.stdout.readline().strip() == "entered"
    members = probe(server_of(backend)).core.state.members
    (child,) = (entry for entry in members.entries() if entry.payload == b"child")
    stays = members.find(bytes.fromhex(parent))
    process.kill()
    deadline = time.monotonic() + LIMIT
    while stays.end == stays.ends:
        assert time.monotonic() < deadline
        backend.get_state()
    assert child.end == child.ends
    process.stdin.close()
    assert process.stdout.read() == ""


def test_a_client_that_is_no_member_claims_nothing(
    server: TcpServer, open_backend: Callable[..., TcpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that only looks costs the server no record of itself."""
    backend = open_backend(str(server.endpoint), is_host=False)
    backend.members()
    assert probe(server).core.members.claimed == 0
    assert isinstance(session_of(backend).client, Client)


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ([Enter("r", b"m" * 16, b"", math.inf, b"c" * 16)], "without an end"),
        ([Enter("r", b"m" * 16, b"", math.nan, b"c" * 16)], "holds no known message"),
        ([Enter("r", b"m" * 16, b"p" * 4097, 1.0, b"c" * 16)], "holds no known message"),
        ([Enter("r" * 1025, b"m" * 16, b"", 1.0, b"c" * 16)], "holds no known message"),
        ([Members("r", 2**40, None)], "holds no known message"),
        ([Claim(b"c" * 16), Claim(b"d" * 16)], "two clients"),
        ([Enter("r", bytes([number]) * 16, b"", 1.0, b"c" * 16) for number in range(4)], "more than 3 members"),
    ],
    ids=["endless", "nan", "payload", "run", "place", "clients", "members"],
)
def test_a_request_that_no_client_would_send_ends_its_connection_with_a_reason(
    requests: list[Any], reason: str, server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer is told what was wrong; nothing that it sent after that is done."""
    monkeypatch.setattr("rdzv_tcp._server.member_service.MAX_MEMBERS", 3)
    with socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=LIMIT) as peer:
        messages = [Hello(PROTOCOL), *requests, Set("k", b"v", b"n" * 16, None)]
        peer.sendall(b"".join(frame(number, encode(message)) for number, message in enumerate(messages, 1)))
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := peer.recv(65536):
                received += data
    assert reason.encode() in received
    assert len(probe(server).core.state.table) == 0

"""Creating a tcp backend from parameters: who hosts, what is refused, and within which time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer, TcpStore
from rdzv_tcp._client.dial import _establish
from rdzv_tcp._net.endpoint import Address
from rdzv_tcp._protocol import PROTOCOL, Welcome, encode, frame

from rdzv_core import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousParameters,
    create_backend,
)
from rdzv_core.endpoint import HostPort
from rdzv_core.envelope import unseal

Open = Callable[..., TcpBackend]


def key(run_id: str) -> str:
    return RendezvousParameters("tcp", "", run_id, 1, 1).key


def test_B1_tcp_is_chosen_by_parameters(open_backend: Open) -> None:
    """B1: the name "tcp" selects this backend, and it says so."""
    assert open_backend("127.0.0.1:0").name == "tcp"


@pytest.mark.parametrize("config", [{}, {"store_type": "tcp"}, {"store_type": "tCp"}], ids=str)
def test_B1_c10d_means_tcp(open_backend: Open, config: dict[str, Any]) -> None:
    """B1: the alias c10d with a store_type tcp in any case, or none, is this backend."""
    assert isinstance(open_backend("127.0.0.1:0", backend="c10d", **config), TcpBackend)


def test_B2_the_store_knows_where_it_is_and_shows_the_value(open_backend: Open) -> None:
    """B2: the raw store knows host, port and timeout, and the value that was set is seen through it."""
    backend = open_backend("localhost:0", run_id="b2", read_timeout=10)
    store = backend.raw_store
    assert (store.host, str(store.port), store.timeout) == ("localhost", backend.endpoint.split(":")[1], 10)
    _, token, _ = backend.set_state(b"seen") or (None, None, None)
    with TcpStore("localhost", store.port) as other:
        raw = other.get(key("b2"))
    assert raw is not None
    assert unseal(raw) == (b"seen", token)


def test_B3_read_timeout_is_what_was_given_else_60(open_backend: Open) -> None:
    """B3: read_timeout="10" is 10 seconds; not given it is 60."""
    assert open_backend("127.0.0.1:0", read_timeout="10").raw_store.timeout == 10
    assert open_backend("127.0.0.1:0").raw_store.timeout == 60


def test_B4_is_host_true_hosts_and_false_connects(open_backend: Open, free_port: int) -> None:
    """B4: with is_host=true this process hosts, with false it connects to one that runs."""
    host = open_backend(f"localhost:{free_port}", is_host="true")
    client = open_backend(f"localhost:{free_port}", is_host="false")
    assert (host.is_host, client.is_host) == (True, False)
    host.set_state(b"x")
    assert client.get_state() == host.get_state()


def test_who_only_looks_is_told_soon_that_there_is_no_store(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rdzv status` does not wait a whole read timeout for a store to come up."""
    monkeypatch.setattr("rdzv_tcp._backend.DEFAULT_CONNECT_TIMEOUT", 0.2)
    params = RendezvousParameters("tcp", f"127.0.0.1:{free_port}", "run", 1, 1)
    with pytest.raises(RendezvousConnectionError, match=r"within 0\.2 s"):
        create_backend(params.for_observer())


def test_B4_an_observer_never_hosts(free_port: int) -> None:
    """B4: one who only looks hosts nothing, whatever is_host says: no store is an error."""
    params = RendezvousParameters("tcp", f"localhost:{free_port}", "r", 1, 1, is_host=True, read_timeout=1)
    with pytest.raises(RendezvousConnectionError, match="could not reach a store"):
        create_backend(params.for_observer())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port)) != 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", socket.gethostname()])
def test_B5_an_endpoint_of_this_machine_is_hosted(open_backend: Open, host: str) -> None:
    """B5: with is_host not given and an endpoint that is this machine, this process hosts."""
    backend = open_backend(f"{host}:0")
    assert backend.is_host
    assert backend.set_state(b"x")


def test_B6_a_served_endpoint_is_connected_to(open_backend: Open, serve: Callable[..., Any]) -> None:
    """B6: with is_host not given, where something serves the endpoint already, this process connects."""
    backend = open_backend(serve().endpoint)
    assert not backend.is_host
    assert backend.set_state(b"x")


_SECOND = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", sys.argv[1], "run", 1, 2, read_timeout=20))
while True:
    state, token = backend.get_state() or (b"", None)
    result = backend.set_state(state + b"x", token)
    if result and result[2]:
        break
print("hosts" if backend.is_host else "connects", flush=True)
sys.stdin.read()
backend.close()
"""


def test_B6_of_processes_that_start_at_once_one_hosts(
    open_backend: Open, run_python: Callable[..., Any], free_port: int
) -> None:
    """B6: of several processes of a machine exactly one hosts, and all of them meet on its store."""
    endpoint = f"localhost:{free_port}"
    processes = [run_python(_SECOND, endpoint) for _ in range(5)]
    assert sorted(process.stdout.readline().strip() for process in processes) == ["connects"] * 4 + ["hosts"]
    state = open_backend(endpoint, is_host=False).get_state()
    assert state is not None
    assert state.state == b"xxxxx"
    for process in processes:
        process.stdin.close()
        assert process.wait(20) == 0


def test_B7_without_a_port_it_is_the_default_port(
    open_backend: Open, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B7: an endpoint without a port means the default port, a module constant."""
    from rdzv_tcp._net import endpoint as _endpoint

    assert _endpoint.DEFAULT_PORT == 29400
    monkeypatch.setattr(_endpoint, "DEFAULT_PORT", free_port)
    assert open_backend("localhost", is_host=True).endpoint == f"localhost:{free_port}"


def test_B9_unreachable_is_a_connection_error_within_the_timeout(free_port: int) -> None:
    """B9: nobody there, is_host=false, read_timeout=2: after about two seconds an error that says where and why."""
    began = time.monotonic()
    with pytest.raises(RendezvousConnectionError) as caught:
        create_backend(RendezvousParameters("tcp", f"localhost:{free_port}", "r", 1, 1, is_host=False, read_timeout=2))
    assert 1 < time.monotonic() - began < 5
    assert isinstance(caught.value.__cause__, OSError)
    assert f"tcp backend at 'localhost:{free_port}'" in str(caught.value)
    assert "rdzv serve" in str(caught.value)


def test_B9_connect_timeout_bounds_the_first_connection_alone(free_port: int) -> None:
    """B9: connect_timeout, where given, is the time in which the store must be there at creation."""
    began = time.monotonic()
    # An address: looking up a name may take longer than that where the processors are busy, and is told otherwise.
    params = RendezvousParameters("tcp", f"127.0.0.1:{free_port}", "r", 1, 1, is_host=False, connect_timeout=0.3)
    with pytest.raises(RendezvousConnectionError, match=r"within 0\.3 s"):
        create_backend(params)
    assert time.monotonic() - began < 5


def test_B9_a_host_that_comes_later_is_found(open_backend: Open, free_port: int) -> None:
    """B9: a client that is there before its host waits for it."""
    found: list[TcpBackend] = []
    endpoint = f"localhost:{free_port}"
    waiting = threading.Thread(target=lambda: found.append(open_backend(endpoint, is_host=False, read_timeout=20)))
    waiting.start()
    host = open_backend(endpoint, is_host=True)
    waiting.join(20)
    host.set_state(b"x")
    assert found[0].get_state() == host.get_state()


@pytest.mark.parametrize("is_host", [True, False, None])
def test_B10_an_endpoint_that_does_not_resolve_is_a_connection_error(is_host: bool | None) -> None:
    """B10: a name that stands for nothing is an error with its cause, hosting or not."""
    began = time.monotonic()
    params = RendezvousParameters("tcp", "no-such-host.invalid:1", "r", 1, 1, is_host=is_host, read_timeout=2)
    with pytest.raises(RendezvousConnectionError, match=r"no-such-host\.invalid:1") as caught:
        create_backend(params)
    assert isinstance(caught.value.__cause__, socket.gaierror)
    if not is_host:
        assert "cannot look up the name 'no-such-host.invalid'" in str(caught.value)
    assert time.monotonic() - began < 20


def test_B10_a_name_that_is_not_looked_up_in_time_is_a_connection_error(
    server: TcpServer, slow_resolver: Callable[..., Any]
) -> None:
    """B10: connect_timeout holds whatever the system's resolver does."""
    slow_resolver()
    began = time.monotonic()
    endpoint = f"localhost:{server.endpoint.port}"
    with pytest.raises(RendezvousConnectionError, match="cannot look up the name 'localhost'"):
        create_backend(RendezvousParameters("tcp", endpoint, "r", 1, 1, is_host=False, connect_timeout=0.3))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("value", ["0", "-10", 0, -10])
def test_B12_a_read_timeout_must_be_positive(value: object) -> None:
    """B12: a read_timeout of zero or less is a ValueError that says what it must be."""
    with pytest.raises(ValueError, match="must be a positive integer"):
        create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "r", 1, 1, read_timeout=value))


def test_B15_runs_share_a_store_and_not_a_state(open_backend: Open) -> None:
    """B15: one state per run; deleting one run's key gives that run a clean slate, and leaves the other alone."""
    one = open_backend("127.0.0.1:0", run_id="one")
    two = open_backend(one.endpoint, run_id="two")
    one.set_state(b"1")
    two.set_state(b"2")
    assert one.raw_store.delete(key("one"))
    assert one.get_state() is None
    assert two.get_state() == (b"2", (two.get_state() or (b"", b""))[1])
    assert (one.set_state(b"new") or (0, 0, 0))[2]


def test_E16_an_unknown_option_is_a_value_error_with_the_near_match(free_port: int) -> None:
    """E16: read_timout is refused, read_timeout offered, and nothing is hosted."""
    with pytest.raises(ValueError, match=r"read_timout.*did you mean 'read_timeout'"):
        create_backend(RendezvousParameters("tcp", f"127.0.0.1:{free_port}", "r", 1, 1, read_timout=3))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port)) != 0


def test_E17_an_ipv6_address_is_parsed_and_kept(open_backend: Open, free_port: int) -> None:
    """E17: [::1]:port is an address and a port, hosted and connected to, and shown as it was given."""
    host = open_backend(f"[::1]:{free_port}", is_host=True)
    assert host.endpoint == f"[::1]:{free_port}"
    assert (host.raw_store.host, host.raw_store.port) == ("::1", free_port)
    assert open_backend(f"[::1]:{free_port}", is_host=False).get_state() is None


def test_E17_an_ipv6_address_alone_has_the_default_port(
    open_backend: Open, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E17: ::1 is an address without a port."""
    monkeypatch.setattr("rdzv_tcp._net.endpoint.DEFAULT_PORT", free_port)
    assert open_backend("::1", is_host=True).endpoint == f"[::1]:{free_port}"


@pytest.mark.parametrize("endpoint", ["[::1", "host:99999", "host:x", "a b:1"])
def test_a_malformed_endpoint_is_a_value_error(endpoint: str) -> None:
    """RDZV-PARAM-4: what is not an endpoint is refused by name."""
    with pytest.raises(ValueError, match="endpoint"):
        create_backend(RendezvousParameters("tcp", endpoint, "r", 1, 1))


def test_port_0_is_for_who_hosts() -> None:
    """A client must be told the port."""
    with pytest.raises(ValueError, match="port 0 is for hosting"):
        create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "r", 1, 1, is_host=False))


def test_a_port_in_use_cannot_be_hosted(serve: Callable[..., Any]) -> None:
    """Where another process serves, is_host=true is an error that says what to do."""
    endpoint = serve().endpoint
    with pytest.raises(RendezvousConnectionError, match=r"cannot host the store.*in use.*is_host=false") as caught:
        create_backend(RendezvousParameters("tcp", endpoint, "r", 1, 1, is_host=True))
    assert isinstance(caught.value.__cause__, OSError)


def test_another_machines_address_cannot_be_hosted() -> None:
    """is_host=true with an address that is not of this machine is an error that says so."""
    with pytest.raises(RendezvousConnectionError, match=r"cannot host the store.*203\.0\.113\.7"):
        create_backend(RendezvousParameters("tcp", "203.0.113.7:1", "r", 1, 1, is_host=True))


def _resolver(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """Let `name` stand for addresses, in that order, in this process."""
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        hosts = addresses if host == name else [host]
        return [found for one in hosts for found in real(one, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize("order", [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
@pytest.mark.parametrize("met_at", ["two-faced", "127.0.0.1", "[::1]"])
def test_a_name_of_several_addresses_is_served_at_each(
    open_backend: Open, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str], met_at: str
) -> None:
    """Host and client meet, whichever of a name's addresses the client knows, and however they are ordered."""
    _resolver(monkeypatch, "two-faced", *order)
    host = open_backend("two-faced:0")
    host.set_state(b"x")
    client = open_backend(f"{met_at}:{host.raw_store.port}", is_host=False, read_timeout=5)
    assert client.get_state() == host.get_state()


def test_a_name_of_several_machines_is_hosted_by_the_first_alone(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    """Where a name's first address is another machine's, this one is not elected: the other one would be, too."""
    _resolver(monkeypatch, "cluster", "127.0.0.1", "100.64.0.1")
    with pytest.raises(OSError, match=r"100\.64\.0\.1"):
        TcpServer(HostPort("cluster", free_port), elect=True)
    with TcpServer(HostPort("cluster", free_port)) as told_to:
        assert [str(address) for address in told_to.addresses] == [f"127.0.0.1:{free_port}"]


def test_a_name_is_hosted_at_all_of_its_addresses_here_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    """Where somebody has one of a name's addresses, nobody else hosts the other: there is one store for a name."""
    _resolver(monkeypatch, "two-faced", "127.0.0.1", "::1")
    with TcpServer(HostPort("::1", free_port)):
        with pytest.raises(OSError, match="in use"):
            TcpServer(HostPort("two-faced", free_port), elect=True)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", free_port)) != 0


def test_a_name_that_means_loopback_here_is_warned_of(
    open_backend: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hosting under a name that other machines know by another address is logged."""
    _resolver(monkeypatch, "node1", "127.0.0.1")
    open_backend("node1:0")
    assert "other machines cannot connect" in caplog.text


def test_a_server_and_a_client_of_different_versions_say_so(server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of another protocol version is refused at once, with both versions and what to install."""
    monkeypatch.setattr("rdzv_tcp._protocol.client_handshake.PROTOCOL", 99)
    began = time.monotonic()
    params = RendezvousParameters("tcp", str(server.endpoint), "r", 1, 1, is_host=False, read_timeout=30)
    says = rf"protocol version {PROTOCOL}, the client version 99.*rdzv-tcp"
    with pytest.raises(RendezvousConfigurationError, match=says):
        create_backend(params)
    assert time.monotonic() - began < 10


def test_a_server_of_a_later_version_is_told_by_the_client(listening: Callable[..., str]) -> None:
    """A server that welcomes everybody in another version is refused by the client, with both versions."""
    endpoint = listening(frame(1, encode(Welcome(99, b"i" * 16, "process 1 on n"))))
    params = RendezvousParameters("tcp", endpoint, "r", 1, 1, is_host=False, read_timeout=30)
    says = rf"process 1 on n.* version 99, this client {PROTOCOL}.*rdzv-tcp"
    with pytest.raises(RendezvousConfigurationError, match=says):
        create_backend(params)


def test_a_connection_to_itself_is_no_connection(free_port: int) -> None:
    """A socket that got the very port it connects to has met nobody: that is told as nobody listening."""
    address = Address(socket.AF_INET, ("127.0.0.1", free_port))
    with socket.socket() as alone:
        alone.bind(address.sockaddr)
        alone.setblocking(False)
        with pytest.raises(ConnectionRefusedError, match="nobody listens"):
            _establish(alone, address, time.monotonic() + 10, lambda: False)
    with (
        socket.socket() as host
    ):  # a host binds its port again; it would be refused for a minute after an orderly close
        host.bind(address.sockaddr)


def test_a_node_is_known_by_the_address_of_its_connection(open_backend: Open, serve: Callable[..., Any]) -> None:
    """It is what peers reach it by: they reach the same store."""
    assert open_backend(serve().endpoint).local_address() == "127.0.0.1"


def test_a_host_on_all_addresses_is_not_known_by_the_one_it_met_itself_at(
    open_backend: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.0.0.0 is reached over loopback here; the way to others begins at another address, if there is one."""
    backend = open_backend("0.0.0.0:0")
    for outgoing, known in (("10.0.0.7", "10.0.0.7"), (None, "127.0.0.1")):
        monkeypatch.setattr("rdzv_tcp._backend.outgoing_address", lambda found=outgoing: found)
        assert backend.local_address() == known


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_a_host_of_a_store_that_others_cannot_mean_says_so(open_backend: Open, host: str) -> None:
    """A client that connects to it has nothing to say."""
    backend = open_backend(f"{host}:0")
    assert f"hosts its own store at {backend.endpoint}" in backend.endpoint_hint()
    assert open_backend(backend.endpoint.replace("0.0.0.0", "127.0.0.1"), is_host=False).endpoint_hint() == ""


def test_something_else_that_listens_there_is_told_apart(listening: Callable[..., str]) -> None:
    """What answers in another protocol is not a store, and the error tells so at once."""
    endpoint = listening(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    params = RendezvousParameters("tcp", endpoint, "r", 1, 1, is_host=False, read_timeout=30)
    with pytest.raises(RendezvousConfigurationError, match="does not speak rdzv's protocol"):
        create_backend(params)


@pytest.fixture
def listening() -> Iterator[Callable[[bytes], str]]:
    """Listen somewhere and give whoever connects the same answer, whatever it says."""
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listener, listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)
                with contextlib.suppress(ConnectionResetError):  # so a client ends it that has heard enough
                    connection.recv(1000)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(20)

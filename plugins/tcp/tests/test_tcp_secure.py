"""A shared secret, and TLS: the right peer gets in, any other is refused and told why, on both sides."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp import _protocol as wire
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._net.tls import server_tls
from rdzv_tcp._protocol import Challenge, Proof, new_challenge, prove
from rdzv_tcp._protocol.server_handshake import ServerHandshake
from rdzv_tcp._server.server import probe

from rdzv_core import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousParameters,
    create_backend,
)
from rdzv_core.endpoint import HostPort

Open = Callable[..., TcpBackend]
SECRET = "the-secret-of-this-job"


@pytest.fixture
def serving() -> Iterator[Callable[..., TcpServer]]:
    """Start servers on threads of this process, and stop them when the test is over."""
    started: list[TcpServer] = []

    def start(host: str = "127.0.0.1", **settings: Any) -> TcpServer:
        started.append(TcpServer(HostPort(host, 0), Settings(**settings)).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def guarded(serving: Callable[..., TcpServer]) -> TcpServer:
    """A server that asks for the secret."""
    return serving(secret=SECRET.encode())


@pytest.fixture
def tls_server(serving: Callable[..., TcpServer], authority: Any) -> TcpServer:
    """A server that speaks TLS to anybody."""
    return serving(tls=server_tls(authority.cert, authority.key))


@pytest.fixture
def mutual(serving: Callable[..., TcpServer], authority: Any) -> TcpServer:
    """A server that wants a certificate of its clients."""
    return serving(tls=server_tls(authority.cert, authority.key, authority.ca))


@pytest.fixture
def heard() -> Iterator[queue.SimpleQueue[logging.LogRecord]]:
    """What is logged, as it comes."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    logger = logging.getLogger("rdzv_tcp")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def refused(server: TcpServer, **config: Any) -> str:
    """Return the error with which a client is refused, which comes long before its timeout."""
    began = time.monotonic()
    params = RendezvousParameters("tcp", str(server.endpoint), "r", 1, 1, is_host=False, read_timeout=60, **config)
    with pytest.raises(RendezvousConfigurationError) as caught:
        create_backend(params)
    assert time.monotonic() - began < 20
    assert SECRET not in str(caught.value)
    return str(caught.value)


# --- the secret ---


def test_who_knows_the_secret_gets_in(guarded: TcpServer, open_backend: Open, tmp_path: Path) -> None:
    """From an option or from a file, with or without a newline at its end."""
    file = tmp_path / "token"
    file.write_text(SECRET + "\n")
    one = open_backend(str(guarded.endpoint), is_host=False, auth_token=SECRET)
    two = open_backend(str(guarded.endpoint), is_host=False, auth_token_file=str(file))
    one.set_state(b"state")
    assert one.get_state() == two.get_state()
    assert not one.secure  # anybody can read along


def test_a_node_that_hosts_asks_for_its_own_secret(open_backend: Open) -> None:
    """The host's `auth_token` is the server's: one without it is refused, one with it served."""
    host = open_backend("127.0.0.1:0", auth_token=SECRET)
    assert open_backend(host.endpoint, is_host=False, auth_token=SECRET).get_state() is None
    with pytest.raises(RendezvousConfigurationError, match="this server asks for a shared secret"):
        open_backend(host.endpoint, is_host=False)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "this server asks for a shared secret, and the client has none: give it auth_token or auth_token_file"),
        ({"auth_token": "guessed"}, "the client's secret is not this server's"),
        ({"auth_token": SECRET + " "}, "the client's secret is not this server's"),
        ({"auth_token": "\n" + SECRET}, "the client's secret is not this server's"),
    ],
)
def test_a_client_without_the_secret_is_refused(
    guarded: TcpServer, caplog: pytest.LogCaptureFixture, config: dict[str, Any], text: str
) -> None:
    """Without one, or with another, if only by a space: the error says which, and so does the server's log."""
    assert text in refused(guarded, **config)
    assert text in caplog.text
    assert "refused ('127.0.0.1'" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_server_without_the_secret_is_refused(server: TcpServer, caplog: pytest.LogCaptureFixture) -> None:
    """A client that has one does not talk to a server that has none; both sides say so."""
    text = "the client has a secret (auth_token), and this server has none"
    assert text in refused(server, auth_token=SECRET)
    assert text in caplog.text


def test_a_refused_client_reaches_nothing(guarded: TcpServer, raw_peer: Any) -> None:
    """Before the proof no request is served, and after a wrong one the connection ends."""
    peer = raw_peer(guarded, hello=False)
    assert isinstance(peer.ask(wire.Hello(wire.PROTOCOL, new_challenge())), Challenge)
    answer = peer.ask(wire.Set("key", b"value", bytes(16), None))
    assert isinstance(answer, wire.Refused)
    assert peer.hear() is None
    assert len(probe(guarded).core.state.table) == 0


def test_a_replayed_proof_is_refused(guarded: TcpServer, raw_peer: Any) -> None:
    """The very messages of a client that got in get nobody in again."""
    challenge = new_challenge()
    first = raw_peer(guarded, hello=False)
    asked = first.ask(wire.Hello(wire.PROTOCOL, challenge))
    proof = Proof(prove(SECRET.encode(), "client", challenge, asked.challenge))
    assert isinstance(first.ask(proof), wire.Welcome)
    second = raw_peer(guarded, hello=False)
    second.ask(wire.Hello(wire.PROTOCOL, challenge))
    answer = second.ask(proof)
    assert isinstance(answer, wire.Refused)
    assert "secret is not this server's" in answer.reason


def test_a_reflected_proof_is_refused(guarded: TcpServer, raw_peer: Any) -> None:
    """What proves that the server knows the secret does not prove it of a client."""
    challenge = new_challenge()
    peer = raw_peer(guarded, hello=False)
    asked = peer.ask(wire.Hello(wire.PROTOCOL, challenge))
    answer = peer.ask(Proof(prove(SECRET.encode(), "server", challenge, asked.challenge)))
    assert isinstance(answer, wire.Refused)


def test_a_client_proves_itself_once() -> None:
    """A second hello does not give a second try at the first challenge, nor a proof without one."""
    greeting = ServerHandshake(SECRET.encode(), lambda proof: wire.Welcome(1, b"", "", proof))
    with pytest.raises(wire.WireError, match="the first message must be a hello"):
        greeting.take(Proof(bytes(32)))
    greeting.take(wire.Hello(wire.PROTOCOL, new_challenge()))
    with pytest.raises(wire.WireError, match="must be the proof"):
        greeting.take(wire.Hello(wire.PROTOCOL, new_challenge()))


@pytest.mark.parametrize("asks", [False, True], ids=["a welcome at once", "a wrong proof"])
def test_a_server_that_proves_nothing_is_refused(asks: bool) -> None:
    """A server at the endpoint that lets everybody in is not the right one: a client with a secret tells it nothing."""
    welcome = wire.frame(
        2 if asks else 1, wire.encode(wire.Welcome(wire.PROTOCOL, bytes(16), "an impostor", bytes(32)))
    )
    challenge = wire.frame(1, wire.encode(Challenge(bytes(32))))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def pose() -> None:
            with listener.accept()[0] as client:
                client.recv(4096)
                client.sendall(challenge if asks else welcome)
                if asks:
                    client.recv(4096)
                    client.sendall(welcome)
                with contextlib.suppress(ConnectionResetError):  # so a client ends it that has heard enough
                    client.recv(4096)

        posing = threading.Thread(target=pose)
        posing.start()
        params = RendezvousParameters(
            "tcp", f"127.0.0.1:{listener.getsockname()[1]}", "r", 1, 1, is_host=False, auth_token=SECRET
        )
        with pytest.raises(RendezvousConfigurationError, match=r"has not proved|did not ask for a proof"):
            create_backend(params)
        posing.join(20)


def test_the_secret_is_never_sent(guarded: TcpServer, open_backend: Open) -> None:
    """Not a byte of it crosses the wire in either direction, as it is or in hex."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen_in() -> None:
            with (
                listener.accept()[0] as client,
                socket.create_connection(("127.0.0.1", guarded.endpoint.port)) as server,
            ):

                def pump(source: socket.socket, sink: socket.socket) -> None:
                    while data := source.recv(4096):
                        heard.append(data)
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)

                other = threading.Thread(target=pump, args=(client, server))
                other.start()
                with contextlib.suppress(OSError):
                    pump(server, client)
                other.join(20)

        listening = threading.Thread(target=listen_in)
        listening.start()
        backend = open_backend(f"127.0.0.1:{listener.getsockname()[1]}", is_host=False, auth_token=SECRET)
        backend.set_state(b"value")
        backend.close()
        listening.join(20)
    everything = b"".join(heard)
    assert b"value" in everything
    assert SECRET.encode() not in everything
    assert SECRET.encode().hex().encode() not in everything


def test_other_credentials_get_a_connection_of_their_own(guarded: TcpServer, open_backend: Open) -> None:
    """An instance without the secret does not slip in on the connection of one that has it."""
    open_backend(str(guarded.endpoint), is_host=False, auth_token=SECRET)
    assert "asks for a shared secret" in refused(guarded)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"auth_token": " "}, "auth_token is empty"),
        ({"auth_token_file": "/no/such/file"}, "auth_token_file='/no/such/file': No such file"),
        ({"auth_token": "a", "auth_token_file": "b"}, "both given"),
        ({"tls_ca": "/no/ca.pem"}, "tls_ca='/no/ca.pem': No such file"),
        ({"tls_ca": "{bad}"}, "bad.pem': no certificates in PEM"),
        ({"tls_ca": "{ca}", "tls_cert": "/no/cert"}, "tls_cert='/no/cert': No such file"),
        ({"tls_ca": "{ca}", "tls_cert": "{cert}", "tls_key": "{other}"}, "the key that belongs to it"),
        ({"tls_ca": "{ca}", "tls_cert": "{cert}", "tls_key": "{encrypted}"}, "the key is encrypted"),
        ({"tls_cert": "{cert}", "tls_key": "{key}"}, "needs tls_ca too"),
        ({"tls_ca": "{ca}", "tls_key": "{key}"}, "needs tls_cert too"),
        ({"tls_ca": "{ca}"}, "a host needs a certificate"),
        (
            {"tls_ca": "{ca}", "tls_cert": "{cert}", "tls_key": "{key}", "tls_client_ca": "/no/ca"},
            "tls_client_ca='/no/ca'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_file_is_told_before_anything_is_created(
    config: dict[str, str], text: str, authority: Any, stranger: Any, tmp_path: Path, free_port: int
) -> None:
    """A `ValueError` names option and file, and nobody has listened or connected."""
    (tmp_path / "bad.pem").write_text("no certificate")
    encrypted = tmp_path / "encrypted.key"
    command = ["openssl", "ec", "-in", authority.key, "-aes256", "-passout", "pass:hunter2", "-out", str(encrypted)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    files = {"ca": authority.ca, "cert": authority.cert, "key": authority.key, "other": stranger.key}
    files |= {"bad": str(tmp_path / "bad.pem"), "encrypted": str(encrypted)}
    config = {name: value.format(**files) for name, value in config.items()}
    data = tmp_path / "data"
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - which one is what the test is about
        create_backend(
            RendezvousParameters("tcp", f"127.0.0.1:{free_port}", "r", 1, 1, is_host=True, data_dir=str(data), **config)
        )
    assert text in str(caught.value)
    assert not data.exists()


# --- TLS ---


def test_over_tls_all_is_as_without(mutual: TcpServer, authority: Any, open_backend: Open, in_threads: Any) -> None:
    """Large states, many threads on one connection, waits beside calls: as over plain text."""
    backend = open_backend(
        str(mutual.endpoint), is_host=False, tls_ca=authority.ca, tls_cert=authority.cert, tls_key=authority.key
    )
    large = os.urandom(3_000_000)
    result = backend.set_state(large)
    assert result is not None
    assert backend.get_state() == (large, result.token)
    others = [backend.sibling(f"register-{number}") for number in range(8)]
    woken: list[Any] = []
    waiting = threading.Thread(target=lambda: woken.append(backend.wait_state(result.token, 30)))
    waiting.start()

    def work(number: int) -> None:
        token = None
        for turn in range(30):
            state = os.urandom(turn * 1000)
            written = others[number].set_state(state, token)
            assert written is not None
            assert written.has_set
            token = written.token
            assert others[number].get_state() == (state, token)

    in_threads(8, work)
    assert not woken
    backend.set_state(b"", result.token)
    waiting.join(20)
    assert woken[0][1].state == b""
    assert backend.secure
    for other in others:
        other.close()


def test_a_node_hosts_with_tls(open_backend: Open, authority: Any) -> None:
    """The options of a host: its own instance connects over TLS too, by a name that the certificate is for."""
    config = {"tls_ca": authority.ca, "tls_cert": authority.cert, "tls_key": authority.key}
    host = open_backend("localhost:0", **config, auth_token=SECRET)
    other = open_backend(host.endpoint, tls_ca=authority.ca, auth_token=SECRET)
    assert not other.is_host
    host.set_state(b"state")
    assert other.get_state() == host.get_state()
    assert other.secure


@pytest.mark.parametrize(
    ("fixture", "client", "text", "log"),
    [
        ("tls_server", [], "this server speaks TLS, and the client plain text: give the client tls_ca", None),
        (
            "server",
            ["ca"],
            "this client speaks TLS (tls_ca), and the server speaks plain text",
            "plain text, and the client TLS",
        ),
        ("tls_server", ["other ca"], "not of the authority in tls_ca=", "does not accept this server's certificate"),
        (
            "mutual",
            ["ca"],
            "asks for a client certificate and got none: give tls_cert and tls_key",
            "gave no certificate",
        ),
        (
            "mutual",
            ["ca", "other cert"],
            "does not accept this client's certificate",
            "not of the authority in tls_client_ca",
        ),
    ],
    ids=["plain to TLS", "TLS to plain", "another authority", "no client certificate", "another client authority"],
)
def test_the_wrong_transport_is_refused(
    fixture: str,
    client: list[str],
    text: str,
    log: str | None,
    request: pytest.FixtureRequest,
    authority: Any,
    stranger: Any,
    heard: queue.SimpleQueue[logging.LogRecord],
) -> None:
    """Each with a message of its own, at once, in the client's error and in the server's log."""
    config = {
        "ca": {"tls_ca": authority.ca},
        "other ca": {"tls_ca": stranger.ca},
        "other cert": {"tls_cert": stranger.cert, "tls_key": stranger.key},
    }
    options = {name: value for part in client for name, value in config[part].items()}
    assert text in refused(request.getfixturevalue(fixture), **options)
    # A client that refuses the server's certificate knows it before the server does.
    line = heard.get(timeout=20).getMessage()
    assert line.startswith("rdzv tcp server: refused ('127.0.0.1'")
    assert (log or text) in line


def test_a_certificate_for_another_host_is_refused(serving: Any, elsewhere: Any) -> None:
    """A certificate of the right authority is good for the name that was connected to, and no other."""
    server = serving(tls=server_tls(elsewhere.cert, elsewhere.key))
    assert "certificate is not for '127.0.0.1'" in refused(server, tls_ca=elsewhere.ca)


def test_a_client_over_tls_goes_on_after_a_restart(
    serve: Any, authority: Any, open_backend: Open, tmp_path: Path
) -> None:
    """With secret, TLS and data directory: the same instance works when the server is back."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o600)
    options = ["--tls-cert", authority.cert, "--tls-key", authority.key, "--tls-ca", authority.ca]
    options += ["--auth-token-file", str(tmp_path / "token"), "--data-dir", str(tmp_path / "data")]
    first = serve("127.0.0.1:0", *options)
    config = {"tls_ca": authority.ca, "tls_cert": authority.cert, "tls_key": authority.key, "auth_token": SECRET}
    backend = open_backend(first.endpoint, is_host=False, read_timeout=20, **config)
    assert (backend.durable, backend.secure) == (True, True)
    result = backend.set_state(b"state")
    assert result is not None
    first.end()
    second = serve(first.endpoint, *options)
    # Not a trace of doubt: the end of the old connection was seen before anything was sent on it.
    written = backend.set_state(b"next", result.token)
    assert written is not None
    assert written.has_set
    assert second.end(signal.SIGTERM) == (0, "")


def test_a_silent_server_is_noticed_over_tls(serve: Any, authority: Any, open_backend: Open) -> None:
    """A server that stands still is an error within the timeout, also in the handshake."""
    server = serve("127.0.0.1:0", "--tls-cert", authority.cert, "--tls-key", authority.key)
    backend = open_backend(server.endpoint, is_host=False, read_timeout=1, tls_ca=authority.ca)
    server.send(signal.SIGSTOP)
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError, match="stopped answering"):
            backend.get_state()
        assert time.monotonic() - began < 10
    server.send(signal.SIGCONT)
    assert backend.get_state() is None


def test_a_forked_child_has_a_tls_connection_of_its_own(
    tls_server: TcpServer, authority: Any, open_backend: Open
) -> None:
    """The child's use works and does not disturb the parent's."""
    backend = open_backend(str(tls_server.endpoint), is_host=False, read_timeout=20, tls_ca=authority.ca)
    backend.set_state(b"state")
    child = os.fork()
    if child == 0:
        snapshot = backend.get_state()
        os._exit(0 if snapshot is not None and snapshot.state == b"state" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get_state()


def test_a_handshake_that_does_not_end_is_ended(
    tls_server: TcpServer, monkeypatch: pytest.MonkeyPatch, raw_peer: Any
) -> None:
    """A peer that begins TLS and says no more is disconnected."""
    monkeypatch.setattr("rdzv_tcp._server.connection.HELLO_SECONDS", 0.2)
    peer = raw_peer(tls_server, hello=False)
    peer.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert peer.hear() is None


# --- the server itself ---


def test_a_store_open_to_all_says_so(serving: Any, authority: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond loopback without secret or client certificates: a warning; with either, none."""
    serving("0.0.0.0", secret=SECRET.encode())
    serving("0.0.0.0", tls=server_tls(authority.cert, authority.key, authority.ca))
    serving("127.0.0.1")
    assert caplog.text == ""
    serving("0.0.0.0")
    assert "can read and change every run" in caplog.text


def test_the_server_says_how_it_is(serve: Any, open_backend: Open, tmp_path: Path) -> None:
    """Its process, uptime, contents and memory, and what can be relied on."""
    server = serve("127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    backend = open_backend(server.endpoint)
    backend.set_state(b"state")
    for _ in range(2):
        backend.enter(b"member", 60)
    health = backend.health()
    assert (health["connections"], health["registers"], health["data_dir"]) == (1, 1, str(tmp_path / "data"))
    assert (health["runs"], health["members"]) == (1, 2)
    assert (health["durable"], health["guarded"], len(health["incarnation"])) == (True, False, 32)
    if sys.platform == "linux":
        assert 1e6 < health["memory_bytes"] < 1e9
    assert 0 < health["uptime_seconds"] < 60
    assert health["version"][0].isdigit()
    assert f"process {server.process.pid} " in health["server"]


def test_serve_logs_whom_it_refuses(serve: Any, authority: Any, tmp_path: Path) -> None:
    """One line for each on stderr, with the peer and the reason."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o600)
    server = serve("127.0.0.1:0", "--auth-token-file", str(tmp_path / "token"))
    for config in ({}, {"auth_token": "guessed"}, {"tls_ca": authority.ca}):
        with pytest.raises(RendezvousConnectionError):
            create_backend(RendezvousParameters("tcp", server.endpoint, "r", 1, 1, is_host=False, **config))
    lines = server.end(signal.SIGTERM)[1].splitlines()
    assert [line.partition("): ")[2].partition(",")[0] for line in lines] == [
        "this server asks for a shared secret",
        "the client's secret is not this server's: give both the same auth_token",
        "this server speaks plain text",
    ]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--auth-token-file", "/no/token"], "auth_token_file='/no/token'"),
        (["--tls-cert", "/no/cert"], "tls_cert='/no/cert'"),
        (["--tls-key", "/no/key"], "needs tls_cert"),
        (["--tls-ca", "/no/ca"], "needs tls_cert"),
        (["--data-dir", "/proc/nowhere"], "data directory '/proc/nowhere'"),
    ],
)
def test_serve_with_a_bad_file_says_which(options: list[str], text: str) -> None:
    """One line, no traceback, and nothing is served."""
    import sys

    ended = subprocess.run(
        [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""

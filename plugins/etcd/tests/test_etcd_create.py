"""Creating an etcd backend from parameters: what is accepted, what is refused and with which words."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer

import rdzv_core
from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError, RendezvousParameters

Connect = Callable[..., EtcdBackend]


@pytest.mark.parametrize("protocol", ["http", "HTTP", "hTtP", " http ", None])
def test_C6_protocol_in_any_case_or_none(etcd: EtcdServer, connect: Connect, protocol: str | None) -> None:
    """C6: the protocol may be written in any case, or left out."""
    assert connect(etcd.get_endpoint(), protocol=protocol).get_state() is None


def test_C6_a_bad_protocol_is_refused(connect: Connect, closed_port: int) -> None:
    """C6: another protocol is a ValueError that names it and those supported, before anything is opened."""
    with pytest.raises(ValueError, match=r"protocol='ftp' is not supported.*http, https"):
        connect(f"127.0.0.1:{closed_port}", protocol="ftp")


@pytest.mark.parametrize("value", ["0", "-10", 0])
def test_C6_B12_read_timeout_must_be_positive(connect: Connect, closed_port: int, value: object) -> None:
    """C6, B12: a read_timeout that is not positive is a ValueError in these words."""
    with pytest.raises(ValueError, match=r"read_timeout=.*must be a positive integer"):
        connect(f"127.0.0.1:{closed_port}", read_timeout=value)


def test_C6_an_unreachable_etcd_is_a_connection_error(connect: Connect, closed_port: int) -> None:
    """C6: where nobody listens, creating raises an error naming backend and endpoint, with its cause."""
    with pytest.raises(RendezvousConnectionError, match=rf"backend 'etcd' at 127\.0\.0\.1:{closed_port} ") as caught:
        connect(f"127.0.0.1:{closed_port}")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_an_endpoint_that_never_answers_is_given_up_within_read_timeout(connect: Connect, silent_port: int) -> None:
    """A listener that accepts and stays silent costs read_timeout, not more."""
    started = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match="no answer") as caught:
        connect(f"127.0.0.1:{silent_port}", read_timeout="1")
    assert 0.9 < time.monotonic() - started < 5
    assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".example", "a..b"])
def test_a_host_that_does_not_resolve_is_a_connection_error(connect: Connect, host: str) -> None:
    """A name that the resolver does not know, or cannot be asked for, is a connection error naming it."""
    with pytest.raises(RendezvousConnectionError, match=host) as caught:
        connect(host, read_timeout=20)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("endpoint", ["", "[::1", "host:99999", "host:x", "a:1,,b:2", "http://host:2379"])
def test_a_malformed_endpoint_is_a_value_error(connect: Connect, endpoint: str) -> None:
    """An endpoint that cannot be read is refused before anything is opened, and named."""
    with pytest.raises(ValueError, match="endpoint"):
        connect(endpoint)


def test_the_default_port_is_2379(connect: Connect) -> None:
    """An endpoint without a port means etcd's own, 2379."""
    with pytest.raises(RendezvousConnectionError, match=r"127\.0\.0\.99:2379 "):
        connect("127.0.0.99", read_timeout=5)


def test_E16_an_unknown_option_is_refused_with_the_near_match(closed_port: int) -> None:
    """E16: a typo in an option's name is a ValueError that says which one was meant."""
    params = RendezvousParameters("etcd", f"127.0.0.1:{closed_port}", "run", 1, 1, read_timout=3)
    with pytest.raises(ValueError, match=r"read_timout=3.*did you mean 'read_timeout'"):
        rdzv_core.create_backend(params)


@pytest.mark.parametrize("name", ["etcd", "etcd-v2", "ETCD", "rdzv-etcd:etcd"])
def test_the_backend_is_found_by_its_entry_point(etcd: EtcdServer, name: str) -> None:
    """The registry finds the backend under its name and its alias, in any case, handler options included."""
    params = RendezvousParameters(name, etcd.get_endpoint(), "entry", 1, 1, timeout=60, last_call_timeout=30)
    backend = rdzv_core.create_backend(params)
    try:
        assert backend.name == "etcd"
        assert isinstance(backend, EtcdBackend)
    finally:
        backend.close()


@pytest.mark.parametrize("option", ["ssl_cert", "ssl_cert_key", "ca_cert"])
def test_a_missing_certificate_file_is_named(connect: Connect, closed_port: int, tmp_path: Path, option: str) -> None:
    """A certificate file that is not there is a ValueError naming option and file, before anything is opened."""
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(ValueError, match=rf"{option}='.*missing\.pem' cannot be read: No such file"):
        connect(f"127.0.0.1:{closed_port}", protocol="https", **{option: missing})


@pytest.mark.parametrize("option", ["ssl_cert", "ca_cert"])
def test_a_certificate_file_that_holds_none_is_refused(
    connect: Connect, closed_port: int, tmp_path: Path, option: str
) -> None:
    """A file that is not a certificate is a ValueError naming option and file."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(ValueError, match=rf"{option}=.*nonsense\.pem"):
        connect(f"127.0.0.1:{closed_port}", protocol="https", **{option: str(nonsense)})


def test_a_certificate_without_https_is_refused(connect: Connect, closed_port: int, tmp_path: Path) -> None:
    """A ca_cert that plain http would ignore is refused instead of giving a false sense of security."""
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    with pytest.raises(ValueError, match=r"ca_cert=.*no effect over http"):
        connect(f"127.0.0.1:{closed_port}", ca_cert=str(ca))


@pytest.mark.parametrize(("given", "missing"), [("user", "password"), ("password", "user")])
def test_user_and_password_go_together(connect: Connect, closed_port: int, given: str, missing: str) -> None:
    """One of the two alone is a ValueError that names both and not the password's value."""
    with pytest.raises(ValueError, match=f"option {given} is given without {missing}") as caught:
        connect(f"127.0.0.1:{closed_port}", **{given: "hunter2"})
    assert "hunter2" not in str(caught.value)


class _NotEtcd(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = {"/v3/kv/range": (self.server.status, b"<html>hello</html>")}[self.path]  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _NotEtcd)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_web_server_that_is_no_etcd_is_told_from_one(
    connect: Connect, web_server: http.server.HTTPServer, status: int
) -> None:
    """The error quotes what another web server answered; a load balancer's 502 may pass."""
    web_server.status = status  # type: ignore[attr-defined]
    with pytest.raises(RendezvousConnectionError, match=rf"HTTP {status} '<html>hello</html>'.*an etcd v3") as caught:
        connect(f"127.0.0.1:{web_server.server_address[1]}", read_timeout=10)
    assert isinstance(caught.value, RendezvousConfigurationError) == (status < 500)


def test_proxies_of_the_environment_are_not_used(
    etcd: EtcdServer, connect: Connect, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy set for the web does not come between a job and its etcd."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    assert connect(etcd.get_endpoint()).get_state() is None


def test_creating_reading_and_closing_write_nothing(
    etcd: EtcdServer, run_id: str, oracle: Callable[..., object]
) -> None:
    """An observer, and anybody before the first set, leaves no key."""
    before = oracle(etcd.get_endpoint()).keys()  # type: ignore[attr-defined]
    params = RendezvousParameters("etcd", etcd.get_endpoint(), run_id, 1, 1).for_observer()
    backend = rdzv_core.create_backend(params)
    assert backend.get_state() is None
    backend.close()
    assert oracle(etcd.get_endpoint()).keys() == before  # type: ignore[attr-defined]


def test_a_node_is_known_by_the_address_of_its_connection(etcd: EtcdServer, connect: Connect) -> None:
    """Peers that share this etcd can reach it, and so usually this end of the connection."""
    assert connect(etcd.get_endpoint()).local_address() == "127.0.0.1"

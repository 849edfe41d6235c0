"""The published suite, against a store in another process and against one that a process of the suite hosts."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_conformance import BackendConformance


class Served:
    """A server at one endpoint: stopped, continued, and killed and started again."""

    def __init__(self, serve: Callable[..., Any], *options: str) -> None:
        self._serve, self._options = serve, options
        self._server = serve("127.0.0.1:0", *options, corruptible=True)
        self.endpoint: str = self._server.endpoint

    def restart(self) -> None:
        """Kill the server and start another at its endpoint."""
        self.restart_after(lambda: None)

    def restart_after(self, between: Callable[[], object]) -> None:
        """The same, with something done in between."""
        self._server.end(signal.SIGKILL)
        between()
        self._server = self._serve(self.endpoint, *self._options, corruptible=True)

    def pause(self) -> None:
        """Let the server answer nothing."""
        self._server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self._server.send(signal.SIGCONT)


@pytest.fixture
def backend() -> str:
    """The name of the backend under test; the other tests here have an instance by this name."""
    return "tcp"


@pytest.fixture(scope="module")
def served(serve_module: Callable[..., Any]) -> Served:
    """A server for this module's tests."""
    return Served(serve_module)


@pytest.fixture(scope="module")
def embedded_endpoint(free_ports: Iterator[int]) -> str:
    """An endpoint that anybody here can bind."""
    return f"localhost:{next(free_ports)}"


@pytest.mark.cases  # the guarded server below is asked the same and more
class TestTcp(BackendConformance):
    """Every clause that tcp claims, on a server that is stopped, continued and restarted."""

    @pytest.fixture
    def endpoint(self, served: Served) -> str:
        """Where it serves."""
        return served.endpoint

    @pytest.fixture
    def restart(self, served: Served) -> Callable[[], None]:
        """Kill the server and start another at its endpoint."""
        return served.restart

    @pytest.fixture
    def pause(self, served: Served) -> Callable[[], None]:
        """Let the server answer nothing."""
        return served.pause

    @pytest.fixture
    def resume(self, served: Served) -> Callable[[], None]:
        """Let the server answer again."""
        return served.resume


@pytest.mark.cases  # the same server, in the process of a client
class TestTcpEmbedded(BackendConformance):
    """The same for a store that a process of the suite hosts itself, whoever comes first."""

    @pytest.fixture
    def endpoint(self, embedded_endpoint: str) -> str:
        """Where whoever comes first hosts."""
        return embedded_endpoint


SECRET = "the-secret-of-this-job"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guarded server keeps its registers."""
    return tmp_path_factory.mktemp("durable") / "data"


@pytest.fixture(scope="module")
def guarded(serve_module: Callable[..., Any], authority: Any, data_dir: Path) -> Served:
    """A server with a data directory, a secret, and TLS on both sides."""
    token = data_dir.with_name("token")
    token.write_text(SECRET)
    token.chmod(0o600)
    files = ["--tls-cert", authority.cert, "--tls-key", authority.key, "--tls-ca", authority.ca]
    return Served(serve_module, *files, "--auth-token-file", str(token), "--data-dir", str(data_dir))


class TestTcpGuarded(BackendConformance):
    """Every clause, `durable` and `secure` among them, on a store on disk behind TLS and a secret."""

    @pytest.fixture
    def endpoint(self, guarded: Served) -> str:
        """Where it serves."""
        return guarded.endpoint

    @pytest.fixture
    def options(self, authority: Any) -> dict[str, Any]:
        """What a node needs to get in."""
        return {
            "auth_token": SECRET,
            "tls_ca": authority.ca,
            "tls_cert": authority.cert,
            "tls_key": authority.key,
        }

    @pytest.fixture
    def wrong_credentials(self, stranger: Any) -> list[tuple[dict[str, Any], str]]:
        """No secret, another, no certificate, and one of another authority."""
        return [
            ({"auth_token": None}, "this server asks for a shared secret"),
            ({"auth_token": "guessed"}, "the client's secret is not this server's"),
            ({"tls_cert": None, "tls_key": None}, "asks for a client certificate and got none"),
            ({"tls_cert": stranger.cert, "tls_key": stranger.key}, "does not accept this client's certificate"),
        ]

    @pytest.fixture
    def wrong_transport(self, stranger: Any) -> list[tuple[dict[str, Any], str]]:
        """Plain text, and another authority for the server."""
        return [
            ({"tls_ca": None, "tls_cert": None, "tls_key": None}, "this server speaks TLS, and the client plain text"),
            ({"tls_ca": stranger.ca}, "the server's certificate is not of the authority in tls_ca"),
        ]

    @pytest.fixture
    def restart(self, guarded: Served) -> Callable[[], None]:
        """Kill the server and start another on its data."""
        return guarded.restart

    @pytest.fixture
    def restart_without_data(self, guarded: Served, data_dir: Path) -> Callable[[], None]:
        """Kill the server, take its data away, and start another."""
        return lambda: guarded.restart_after(lambda: shutil.rmtree(data_dir))

    @pytest.fixture
    def pause(self, guarded: Served) -> Callable[[], None]:
        """Let the server answer nothing."""
        return guarded.pause

    @pytest.fixture
    def resume(self, guarded: Served) -> Callable[[], None]:
        """Let the server answer again."""
        return guarded.resume

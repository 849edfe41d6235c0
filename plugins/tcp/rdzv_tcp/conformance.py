"""What the published suite needs to test this backend harder (entry point group `rdzv_conformance.helpers`)."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_core import RendezvousParameters
from rdzv_tcp import _corruption
from rdzv_tcp._server.server import core_of
from rdzv_tcp._wal.format import read_log

expires = False
"""It lets no key expire: the suite need not wait for a minute to see that."""


def corrupt(params: RendezvousParameters, value: bytes = b"not what the backend wrote") -> None:
    """Corrupt the register of `params` behind the backend's back. Raises `unittest.SkipTest` where that is impossible.

    It is possible where this process hosts the store, and where `python -m rdzv_tcp.conformance` does.
    """
    _corruption.corrupt(params, value)


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Cut the value of a register to 0 bytes, and put it back."""
    corrupt(params, b"")
    yield
    _corruption.corrupt(params, None)


class OwnStore:
    """`rdzv serve` with a data directory, a secret, and TLS on both sides, in a process that the suite may kill.

    Started by `python -m rdzv_tcp.conformance`, so that it can be told to corrupt a register.
    """

    what = "rdzv serve with a data directory, a secret, and TLS on both sides"

    def __init__(self, sandbox: Any) -> None:
        ours, theirs = sandbox.authority("ours"), sandbox.authority("theirs")
        secret = secrets.token_hex(48)
        secret_file = sandbox.directory / "secret"
        secret_file.write_text(secret, encoding="ascii")
        secret_file.chmod(0o600)
        self._data_dir = sandbox.directory / "data"
        self._options = [
            *("--data-dir", str(self._data_dir), "--auth-token-file", str(secret_file)),
            *("--tls-cert", ours.cert, "--tls-key", ours.key, "--tls-ca", ours.ca),
        ]
        self._sandbox = sandbox
        self._start("127.0.0.1:0")
        self.options: dict[str, Any] = {
            "auth_token": secret,
            "tls_ca": ours.ca,
            "tls_cert": ours.cert,
            "tls_key": ours.key,
        }
        self.wrong_credentials: list[tuple[dict[str, Any], str]] = [
            ({"auth_token": None}, "this server asks for a shared secret"),
            ({"auth_token": "guessed"}, "the client's secret is not this server's"),
            ({"tls_cert": None, "tls_key": None}, "asks for a client certificate and got none"),
            ({"tls_cert": theirs.cert, "tls_key": theirs.key}, "does not accept this client's certificate"),
        ]
        self.wrong_transport: list[tuple[dict[str, Any], str]] = [
            ({"tls_ca": None, "tls_cert": None, "tls_key": None}, "this server speaks TLS, and the client plain text"),
            ({"tls_ca": theirs.ca}, "the server's certificate is not of the authority in tls_ca"),
        ]

    def restart(self) -> None:
        """Kill the server and start another one on its data."""
        self.end()
        self._start(self.endpoint)

    def restart_without_data(self) -> None:
        """The same, on none."""
        self.end()
        shutil.rmtree(self._data_dir)
        self._start(self.endpoint)

    def pause(self) -> None:
        """Let the server answer nothing."""
        self._server.pause()

    def resume(self) -> None:
        """Let it answer again."""
        self._server.resume()

    def keys(self, _: RendezvousParameters) -> list[str]:
        """List the registers that the log on the disk holds."""
        log = (self._data_dir / "registers.log").read_bytes()
        return list(read_log(memoryview(log))[0].table.copy_out()[0])

    def end(self) -> None:
        """Kill the server."""
        self._server.kill()

    def _start(self, endpoint: str) -> None:
        command = [sys.executable, "-m", "rdzv_tcp.conformance", "--endpoint", endpoint, *self._options]
        self._server = self._sandbox.service(command)
        self.endpoint: str = self._server.start()


@contextmanager
def own_store(sandbox: Any) -> Iterator[OwnStore]:
    """Start a server for the suite alone; `sandbox` is a `rdzv_conformance.Sandbox`."""
    store = OwnStore(sandbox)
    try:
        yield store
    finally:
        store.end()


def main() -> None:
    """Serve as `rdzv serve` does, and corrupt registers when the suite asks for it."""
    import click

    from rdzv_tcp.commands import open_server, serve, serve_until_stopped

    @click.command(params=serve.params)
    def serve_corruptible(metrics: None, **options: Any) -> None:
        """Serve as `rdzv serve` does, and corrupt registers when the suite asks for it."""
        assert metrics is None
        server = open_server(**options)
        serve_until_stopped(server, lambda: _corruption.listen(core_of(server)))

    serve_corruptible()


if __name__ == "__main__":
    main()

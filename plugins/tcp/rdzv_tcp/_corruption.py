"""Corrupting registers behind the backend's back, for the conformance suite. A production server cannot be told to.

The server is asked for its incarnation, since there may be a proxy in front of it. One of this process is then reached
directly, one of another process by a Unix socket, if it was started by `python -m rdzv_tcp.conformance`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Final
from unittest import SkipTest

import msgspec

from rdzv_core import RendezvousParameters, RendezvousStateError
from rdzv_core.endpoint import HostPort
from rdzv_core.envelope import unseal
from rdzv_tcp._net.endpoint import read_endpoint
from rdzv_tcp._net.security import client_credentials
from rdzv_tcp._protocol import NONCE_BYTES
from rdzv_tcp._raw_store import TcpStore
from rdzv_tcp._server.core import Core
from rdzv_tcp._server.server import TcpServer, core_of, probe, servers_of_this_process
from rdzv_tcp._state.table import Record, RegisterChange

_TIMEOUT: Final = 10.0


class Corruption(msgspec.Struct):
    """Put `value`, which is not a sealed state, at `key`; None: put back what was there before."""

    key: str
    value: bytes | None


class Corrupter:
    """Corrupts registers of one server, and puts them back. Runs on the server's loop."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def do(self, corruption: Corruption) -> None:
        """Change a register in memory, and wake those who wait for it."""
        table, key = self._core.state.table, corruption.key
        if corruption.value is None:
            record = _before.pop(key, None)
        else:
            there = table.record(key)
            if there is None or there.fault is None:
                _before[key] = there
            record = Record(corruption.value, secrets.token_bytes(NONCE_BYTES), _fault(corruption.value))
        table.apply(RegisterChange(key, record, secrets.token_bytes(NONCE_BYTES)))
        self._core.waiters.changed((key,))


def corrupt(params: RendezvousParameters, value: bytes | None) -> None:
    """Have the server of `params` corrupt a register. Raises `unittest.SkipTest` for one that cannot be told to."""
    endpoint = read_endpoint(params.endpoint)
    with TcpStore(endpoint.host, endpoint.port, _TIMEOUT, client_credentials(params)) as store:
        incarnation = store.health().incarnation
    corruption = Corruption(params.key, value)
    for server in servers_of_this_process():
        if core_of(server).state.table.incarnation.hex() == incarnation:
            _corrupt_here(server, corruption)
            return
    _corrupt_elsewhere(endpoint, incarnation, corruption)


def listen(core: Core) -> asyncio.Task[asyncio.Server]:
    """Take corruptions from other processes. To be called on the server's loop."""
    address = _control_address(core.state.table.incarnation.hex())
    if not address.startswith("\0"):
        Path(address).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    corrupter = Corrupter(core)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        corrupter.do(msgspec.msgpack.decode(await reader.read(), type=Corruption))
        writer.write(b"done")
        writer.close()

    return asyncio.get_running_loop().create_task(asyncio.start_unix_server(serve, sock=listener))


def _control_address(incarnation: str) -> str:
    name = f"rdzv-tcp-{incarnation}.corrupt"
    # Linux has names for sockets that leave no file behind, whoever is killed.
    return f"\0{name}" if sys.platform == "linux" else f"/tmp/{name}"  # noqa: S108 - the suite gives TMPDIR away


def _corrupt_here(server: TcpServer, corruption: Corruption) -> None:
    core, loop, _, _ = probe(server)
    done: Future[None] = Future()

    def do() -> None:
        Corrupter(core).do(corruption)
        done.set_result(None)

    loop.call_soon_threadsafe(do)
    done.result(_TIMEOUT)


def _corrupt_elsewhere(endpoint: HostPort, incarnation: str, corruption: Corruption) -> None:
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(_TIMEOUT)
        try:
            control.connect(_control_address(incarnation))
        except OSError as error:
            raise SkipTest(
                f"a production server at {endpoint} does not corrupt what it stores; start it by "
                "`python -m rdzv_tcp.conformance`, which takes the options of `rdzv serve` ({error})"
            ) from error
        control.sendall(msgspec.msgpack.encode(corruption))
        control.shutdown(socket.SHUT_WR)
        if control.recv(16) != b"done":
            raise RuntimeError(f"the test server at {endpoint} did not corrupt {corruption.key!r}")


def _fault(value: bytes) -> str:
    try:
        unseal(value)
    except RendezvousStateError as error:
        return str(error)
    raise ValueError(f"{value!r:.60} is a sealed state, which is not corrupt")


_before: dict[str, Record | None] = {}
"""What the corrupted registers of this process's servers held."""

"""Real etcds for the tests, of every version found here, and what looks at them from outside."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster, EtcdServer, create_backend, find_binary

from rdzv_core import RendezvousParameters

_numbers = itertools.count(1)


def _version(binary: str) -> str:
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    return shown.split("etcd Version: ")[1].split()[0]


def _binaries() -> dict[str, str]:
    """One executable for each version of etcd found; `find_binary` raises if there is none at all."""
    candidates = [find_binary(), shutil.which("etcd"), shutil.which("etcd", path="/usr/bin:/usr/local/bin")]
    return {_version(binary): binary for binary in reversed(candidates) if binary is not None}


BINARIES = _binaries()


def _ended_by_nobody(server: EtcdServer) -> None:
    """Fail with etcd's last words if it has ended by itself: no client may bring that about."""
    process = server._process
    ended = process is not None and process.wait_end(0) and process._process.returncode >= 0
    assert not ended, process.last_words()


@pytest.fixture(scope="session", params=sorted(BINARIES), ids=lambda version: f"etcd-{version}")
def etcd_binary(request: pytest.FixtureRequest) -> str:
    """The executable of each version found."""
    return BINARIES[request.param]


@pytest.fixture(scope="session")
def etcd(etcd_binary: str) -> Iterator[EtcdServer]:
    """An etcd shared by the tests, each with runs of its own."""
    with EtcdServer(binary=etcd_binary) as server:
        yield server
        _ended_by_nobody(server)


@pytest.fixture
def own_etcd(etcd_binary: str, tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd that the test may stop, hurt and start again on its data."""
    with EtcdServer(data_dir=tmp_path / "etcd", binary=etcd_binary) as server:
        yield server
        _ended_by_nobody(server)


@pytest.fixture
def run_id() -> str:
    """A run that no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def connect(run_id: str) -> Iterator[Callable[..., EtcdBackend]]:
    """Makes a backend at an endpoint; closed after the test."""
    made: list[EtcdBackend] = []

    def make(endpoint: str, *, run: str = run_id, **config: Any) -> EtcdBackend:
        made.append(create_backend(RendezvousParameters("etcd", endpoint, run, 1, 4, **config)))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


class Oracle:
    """Looks into an etcd and changes it without any code of ours."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"http://{endpoint}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def post(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        with self._open(request, timeout=20) as answer:
            return json.loads(answer.read())  # type: ignore[no-any-return]

    def kv(self, key: bytes) -> dict[str, Any] | None:
        kvs = self.post("/v3/kv/range", {"key": _b64(key)}).get("kvs")
        return kvs[0] if kvs else None

    def value(self, key: bytes) -> bytes | None:
        kv = self.kv(key)
        return None if kv is None else base64.b64decode(kv.get("value", ""))

    def put(self, key: bytes, value: bytes) -> None:
        self.post("/v3/kv/put", {"key": _b64(key), "value": _b64(value)})

    def delete(self, key: bytes) -> None:
        self.post("/v3/kv/deleterange", {"key": _b64(key)})

    def keys(self) -> set[bytes]:
        answer = self.post("/v3/kv/range", {"key": "AA==", "range_end": "AA==", "keys_only": True})
        return {base64.b64decode(kv["key"]) for kv in answer.get("kvs", ())}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def oracle() -> Callable[[str], Oracle]:
    """Makes an `Oracle` for an endpoint."""
    return Oracle


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Awaits a condition, for at most 20 s."""

    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "the awaited condition did not come to hold within 20 s"
            time.sleep(0.005)

    return wait


class CuttingProxy:
    """Sits between a client and an etcd and cuts one connection, in the middle of an exchange."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut: str | None = None
        self._before_cut: Callable[[], object] = lambda: None
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.cuts = 0
        self.hushed = False
        """Whether what etcd sends on a watch is swallowed."""
        self._run(self._accept)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_next(self, what: str, before: Callable[[], object] = lambda: None) -> None:
        """Cut when the next "request" or "answer" comes by, in its stead, after calling `before`."""
        self._before_cut, self._cut = before, what

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            _shutdown(sock)
        for thread in self._threads:
            thread.join(10)
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            watches = threading.Event()
            self._run(self._pump, client, server, "request", watches)
            self._run(self._pump, server, client, "answer", watches)

    def _pump(self, source: socket.socket, sink: socket.socket, what: str, watches: threading.Event) -> None:
        try:
            while data := source.recv(65536):
                if what == "request" and b"/v3/watch" in data:
                    watches.set()
                if what == "answer" and watches.is_set() and self.hushed:
                    continue
                if self._cut == what:
                    self._cut = None
                    self._before_cut()
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass  # the other pump cut it
        _shutdown(source)
        _shutdown(sink)

    def _run(self, target: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()


def _shutdown(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # gone already


@pytest.fixture
def proxy(etcd: EtcdServer) -> Iterator[CuttingProxy]:
    """A proxy before the shared etcd."""
    made = CuttingProxy((etcd.get_host(), etcd.get_port()))
    yield made
    made.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine at which nobody listens, kept from others for the test."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def cluster(etcd_binary: str) -> Iterator[EtcdCluster]:
    """A cluster of three whose members the test may kill, stop and cut off."""
    with EtcdCluster(3, binary=etcd_binary) as started:
        yield started

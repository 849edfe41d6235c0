"""What the tests of the tcp store share: backends that get closed, servers in other processes, a lossy proxy."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp import _protocol as wire
from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._protocol import FrameReader

from rdzv_core import RendezvousParameters, create_backend


@pytest.fixture
def open_backend() -> Iterator[Callable[..., TcpBackend]]:
    """Create backends by name, and close them when the test is over."""
    opened: list[TcpBackend] = []

    def open_one(endpoint: str, run_id: str = "run", backend: str = "tcp", **config: Any) -> TcpBackend:
        made = create_backend(RendezvousParameters(backend, endpoint, run_id, 1, 2, **config))
        assert isinstance(made, TcpBackend)
        opened.append(made)
        return made

    yield open_one
    for backend in reversed(opened):
        backend.close()


@pytest.fixture
def backend(open_backend: Callable[..., TcpBackend]) -> TcpBackend:
    """A backend on a store of its own, hosted by this process on a free port."""
    return open_backend("127.0.0.1:0", read_timeout=10)


@pytest.fixture(scope="session")
def free_ports() -> Iterator[int]:
    """Ports on which nobody listens, and which the system gives to no connection while the tests run."""
    # Below the range from which the system takes the ports of outgoing connections.
    return filter(_is_free, range(20_000 + os.getpid() % 5000, 29_000))


def _is_free(port: int) -> bool:
    try:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family) as probe:
                probe.bind((host, port))
    except OSError:
        return False
    return True


@pytest.fixture
def free_port(free_ports: Iterator[int]) -> int:
    """A port of `free_ports`."""
    return next(free_ports)


class ServerProcess:
    """`rdzv serve` in a process of its own; `corruptible`: the suite's, which can be told to corrupt a register."""

    def __init__(self, endpoint: str, *options: str, corruptible: bool = False) -> None:
        program = ["rdzv_tcp.conformance"] if corruptible else ["rdzv_core", "serve"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program, "--endpoint", endpoint, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.endpoint = self.process.stdout.readline().strip()

    def send(self, number: int) -> None:
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitpid(self.process.pid, os.WUNTRACED)  # the signal is sent before it has stopped all threads

    def end(self, number: int = signal.SIGKILL) -> tuple[int, str]:
        """End it with a signal; gives its exit status and what it wrote to stderr, but for what ended it (`last`)."""
        self.process.send_signal(number)
        if number != signal.SIGKILL:
            self.process.send_signal(signal.SIGCONT)
        _, errors = self.process.communicate(timeout=20)
        told, found, self.last = errors.rpartition("rdzv: got SIG")
        return self.process.returncode, told if found else errors


@pytest.fixture
def serve() -> Iterator[Callable[..., ServerProcess]]:
    """Start `rdzv serve` processes, and end them when the test is over."""
    with _starting() as start:
        yield start


@pytest.fixture(scope="module")
def serve_module() -> Iterator[Callable[..., ServerProcess]]:
    """The same for as long as a module's tests run."""
    with _starting() as start:
        yield start


@contextlib.contextmanager
def _starting() -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(endpoint: str = "127.0.0.1:0", *options: str, corruptible: bool = False) -> ServerProcess:
        started.append(ServerProcess(endpoint, *options, corruptible=corruptible))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()


@pytest.fixture
def run_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run Python code in other processes; whoever is left is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-X", "dev", "-c", code, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


class LossyProxy:
    """Passes connections on to a server; when told to, it takes the next answer for itself and hangs up.

    `between` is called then, before the client's connection ends: what the client asked for has been done.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.between: Callable[[], object] = lambda: None
        self.lost = 0
        self._lose = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads[0].start()

    def lose_next_answer(self, between: Callable[[], object] = lambda: None) -> None:
        self.between, self._lose = between, True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            self._pairs.append((client, server))
            for source, sink, loses in ((client, server, False), (server, client, True)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, sink, loses), daemon=True))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, loses: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if loses and self._lose:
                    self._lose = False
                    self.lost += 1
                    self.between()
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for pair in self._pairs:
            for one in pair:
                one.close()


@pytest.fixture
def server() -> Iterator[TcpServer]:
    """A server on a thread of this process, which no backend hosts."""
    from rdzv_core.endpoint import HostPort

    with TcpServer(HostPort("127.0.0.1", 0)).start() as started:
        yield started


@pytest.fixture
def lossy(server: TcpServer) -> Iterator[LossyProxy]:
    """A proxy in front of `server`."""
    proxy = LossyProxy(("127.0.0.1", server.endpoint.port))
    yield proxy
    proxy.close()


class SlowResolver:
    """Stands for a resolver that answers what `localhost` is when `answer` is set; all others are looked up as ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = threading.Event()
        self.asked = 0
        self._real: Callable[..., Any] = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, *rest: Any, flags: int = 0, **more: Any) -> Any:
        if host == "localhost" and flags != socket.AI_NUMERICHOST:
            self.asked += 1
            assert self.answer.wait(60)
        return self._real(host, *rest, flags=flags, **more)


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], SlowResolver]]:
    """Make look-ups wait from now on; when the test is over they go on."""
    made: list[SlowResolver] = []

    def begin() -> SlowResolver:
        made.append(SlowResolver(monkeypatch))
        return made[-1]

    yield begin
    for resolver in made:
        resolver.answer.set()


@pytest.fixture
def refuse_thread(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the system refuse the next thread with a name like this."""
    names: list[str] = []
    start = threading.Thread.start

    def start_or_not(thread: threading.Thread) -> None:
        if names and names[-1] in thread.name:
            names.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return names.append


@pytest.fixture
def in_threads() -> Callable[..., list[Any]]:
    """Run a function in threads that start together, with each thread's number; gives their results in order."""

    def run(count: int, function: Callable[[int], Any]) -> list[Any]:
        barrier = threading.Barrier(count)
        results: list[Any] = [None] * count

        def body(number: int) -> None:
            barrier.wait(20)
            try:
                results[number] = function(number)
            except BaseException as error:  # noqa: BLE001 - given to the test, which looks at it
                results[number] = error

        threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    return run


@pytest.fixture
def descriptors() -> Callable[[], set[tuple[str, str]]]:
    """Return this process's open sockets and pipes."""

    def look() -> set[tuple[str, str]]:
        found = set()
        for descriptor in Path("/dev/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith(("socket:", "pipe:", "anon_inode:")):
                    found.add((descriptor.name, target))
        return found

    return look


class RawPeer:
    """A connection to a server on which a test says whatever it likes."""

    def __init__(self, server: TcpServer, hello: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=20)
        self._reader: FrameReader[wire.Answer] = FrameReader(wire.decode_answer, wire.MAX_FRAME_BYTES)
        self._last_id = 0
        here = address_of(self.socket.getsockname())
        self.welcome = self.ask(wire.Hello(wire.PROTOCOL, b"", here)) if hello else None

    def say(self, message: Any) -> None:
        """Send a message with the next id."""
        self._last_id += 1
        self.socket.sendall(wire.frame(self._last_id, wire.encode(message)))

    def hear(self) -> tuple[int, wire.Answer] | None:
        """Return the next answer, None at the end of the connection."""
        while (taken := self._reader.take()) is None:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._reader.feed(data)
        return taken

    def ask(self, message: Any) -> wire.Answer | None:
        """Send something and return what comes next."""
        self.say(message)
        taken = self.hear()
        return None if taken is None else taken[1]

    def pipeline(self, messages: list[Any]) -> list[wire.Answer]:
        """Send all from a thread of its own and return as many answers, in the order of the requests."""
        first = self._last_id + 1
        saying = threading.Thread(target=lambda: [self.say(message) for message in messages])
        saying.start()
        heard = dict(taken for taken in (self.hear() for _ in messages) if taken is not None)
        saying.join(20)
        return [heard[number] for number in range(first, first + len(messages))]


@pytest.fixture
def raw_peer() -> Iterator[Callable[..., RawPeer]]:
    """Connect to servers without a client."""
    opened: list[RawPeer] = []

    def connect(server: TcpServer, **options: Any) -> RawPeer:
        opened.append(RawPeer(server, **options))
        return opened[-1]

    yield connect
    for peer in opened:
        peer.socket.close()


class Authority(NamedTuple):
    """A certificate authority, and a certificate of 127.0.0.1 and localhost with its key; PEM files."""

    ca: str
    cert: str
    key: str


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def _new_authority(directory: Path, names: str) -> Authority:
    directory.mkdir()
    ca, ca_key, cert, key, request, extensions = (
        str(directory / name) for name in ("ca.pem", "ca.key", "cert.pem", "cert.key", "cert.csr", "extensions")
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, *subject)
    _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=node")
    # The key identifiers are what Python 3.13's strict checks ask for.
    Path(extensions).write_text(
        f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    signer = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
    _openssl("x509", "-req", "-in", request, "-out", cert, *signer)
    return Authority(ca, cert, key)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the tests' servers and clients belong to."""
    return _new_authority(tmp_path_factory.mktemp("tls") / "right", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority."""
    return _new_authority(tmp_path_factory.mktemp("tls") / "wrong", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority whose certificate is for another host."""
    return _new_authority(tmp_path_factory.mktemp("tls") / "other", "DNS:node2.example")

"""Does to a server what no client would, for as long as told, and checks that a proper client does not notice.

    python plugins/tcp/tests/fuzz.py --minutes 10

Random bytes, frames cut anywhere, frames that announce a GiB, messages in no order, clients that take no answers, and
thousands of connections that say nothing. A proper client writes and reads all the while; the server's resident memory
is looked at. Prints the numbers; ends with status 1 if the client failed or the memory grew beyond its bound.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rdzv_tcp import _protocol as wire
from rdzv_tcp._protocol import HealthRequest, Proof, new_challenge

from rdzv_core import RendezvousParameters, create_backend

MAX_RSS = 300 * 1024 * 1024
SLOWEST_CALL = 20.0


class Proper:
    """A client that reads and writes a register until it is stopped, and notes how long a call took."""

    def __init__(self, endpoint: str) -> None:
        self.calls, self.slowest, self.failure = 0, 0.0, ""
        self._backend = create_backend(
            RendezvousParameters("tcp", endpoint, "proper", 1, 1, is_host=False, read_timeout=60)
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        token: Any = None
        try:
            while not self._stopped.is_set():
                began = time.monotonic()
                result = self._backend.set_state(random.randbytes(200), token)
                if result is None or not result[2] or self._backend.get_state() != result[:2]:
                    self.failure = f"a write of its own was refused: {result!r:.80}"
                    return
                token = result[1]
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.calls += 2
                self._stopped.wait(0.002)  # it is to be answered, not to be the load
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the script looks for
            self.failure = repr(error)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(90)
        self._backend.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--half-open", type=int, default=10_000, help="connections that say nothing, at once")
    parser.add_argument("--data-dir", action="store_true", help="let the server keep its registers on disk")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="rdzv-fuzz-") as folder:
        options = ["--data-dir", str(Path(folder) / "data")] if arguments.data_dir else []
        with _serving(Path(folder) / "stderr", options) as (process, endpoint):
            return run(arguments, process, endpoint)


def run(arguments: argparse.Namespace, process: subprocess.Popen[str], endpoint: str) -> int:
    """Attack the server until the time is over; gives the exit status."""
    host, _, port = endpoint.rpartition(":")
    address = host, int(port)
    proper = Proper(endpoint)
    seen: Counter[str] = Counter()
    first = largest = _rss(process.pid)
    end = time.monotonic() + 60 * arguments.minutes
    silent = half_open(address, arguments.half_open)
    seen["connections opened at once that say nothing (the server keeps the latest 512)"] = len(silent)
    attacks: list[Callable[[tuple[str, int]], str]] = [
        random_bytes,
        cut_frame,
        gibibyte,
        disorder,
        garbage_after_hello,
        takes_no_answers,
        many_waits,
    ]
    while time.monotonic() < end and not proper.failure and process.poll() is None:
        seen[random.choice(attacks)(address)] += 1
        if random.random() < 0.02:
            largest = max(largest, _rss(process.pid))
            silent = _refill(silent, address, arguments.half_open)
    for one in silent:
        one.close()
    proper.stop()
    alive = process.poll() is None
    last = _rss(process.pid) if alive else 0
    largest = max(largest, last)
    for what, count in sorted(seen.items()):
        print(f"{count:9,} {what}")
    print(
        f"{proper.calls:9,} calls of a proper client, the slowest two took {proper.slowest * 1000:.0f} ms\n"
        f"server's resident memory: {first / 2**20:.0f} MiB at first, {largest / 2**20:.0f} MiB at most, "
        f"{last / 2**20:.0f} MiB at last"
    )
    failures = [proper.failure] if proper.failure else []
    failures += [] if alive else [f"the server ended with status {process.returncode}"]
    failures += [f"its memory is over {MAX_RSS / 2**20:.0f} MiB"] if largest > MAX_RSS else []
    failures += [f"a call took {proper.slowest:.0f} s"] if proper.slowest > SLOWEST_CALL else []
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


# What is done to the server: each gives its name for the statistics.


def random_bytes(address: tuple[str, int]) -> str:
    """Send noise."""
    _say(address, random.randbytes(random.choice((1, 7, 8, 100, 5000, 300_000))))
    return "connections with random bytes"


def cut_frame(address: tuple[str, int]) -> str:
    """Leave in the middle of something."""
    whole = _hello() + wire.frame(2, wire.encode(_message()))
    _say(address, whole[: random.randrange(len(whole))])
    return "connections with a cut frame"


def gibibyte(address: tuple[str, int]) -> str:
    """Announce a GiB, before or after the hello, and begin to send it."""
    _say(address, random.choice((b"", _hello())) + struct.pack(">II", 2**30, 1) + bytes(100_000))
    return "announcements of 1 GiB"


def disorder(address: tuple[str, int]) -> str:
    """Send valid messages in an invalid order."""
    body = b"".join(wire.frame(random.getrandbits(32), wire.encode(_message())) for _ in range(random.randrange(50)))
    _say(address, random.choice((b"", _hello())) + body)
    return "connections with messages in random order"


def garbage_after_hello(address: tuple[str, int]) -> str:
    """Put noise into frames."""
    frames = [wire.frame(number, random.randbytes(random.randrange(200))) for number in range(5)]
    _say(address, _hello() + b"".join(frames))
    return "connections with frames of noise"


def takes_no_answers(address: tuple[str, int]) -> str:
    """Ask for much, and take none of it."""
    key = "large"
    request = wire.frame(2, wire.encode(wire.Set(key, bytes(1_000_000), random.randbytes(16), None)))
    request += b"".join(wire.frame(3 + number, wire.encode(wire.Get(key))) for number in range(100))
    _say(address, _hello() + request, read=False)
    return "connections that take no answers"


def many_waits(address: tuple[str, int]) -> str:
    """Wait for more than one may."""
    waits = (wire.frame(2 + number, wire.encode(wire.Wait(f"k{number}", None, 60.0))) for number in range(17_000))
    _say(address, _hello() + b"".join(waits))
    return "connections with 17,000 waits"


def half_open(address: tuple[str, int], count: int) -> list[socket.socket]:
    """Connect often and say nothing, or not all of a hello; gives as many as the limit of open files allows."""
    opened: list[socket.socket] = []
    for _ in range(count):
        try:
            opened.append(socket.create_connection(address, timeout=10))
            if random.random() < 0.5:
                opened[-1].sendall(_hello()[: random.randrange(1, 12)])
        except OSError as error:
            if isinstance(error, (ConnectionResetError, BrokenPipeError)):
                continue  # the server has made room for a later one
            break
    return opened


def _refill(silent: list[socket.socket], address: tuple[str, int], count: int) -> list[socket.socket]:
    """Replace the connections that the server has ended."""
    left = []
    for one in silent:
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            with contextlib.suppress(ConnectionError):
                one.recv(1000)
            one.close()
            continue
        left.append(one)
    return left + half_open(address, min(1000, count - len(left)))


def _say(address: tuple[str, int], data: bytes, read: bool = True) -> None:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as connected:
        connected.settimeout(0.2)
        connected.sendall(data)
        if read:
            connected.shutdown(socket.SHUT_WR)
            while connected.recv(65536):
                pass


def _hello() -> bytes:
    return wire.frame(1, wire.encode(wire.Hello(wire.PROTOCOL)))


def _message() -> Any:
    key, nonce = random.choice("abcdefgh"), random.randbytes(16)
    return random.choice(
        (
            wire.Hello(random.choice((0, 1, 99)), random.choice((b"", b"short", new_challenge()))),
            Proof(random.randbytes(32)),
            HealthRequest(),
            wire.Get(key),
            wire.Set(key, random.randbytes(random.randrange(3000)), nonce, random.choice((None, b"", nonce))),
            wire.Delete(key, nonce, random.choice((None, nonce))),
            wire.Wait(key, random.choice((None, nonce)), random.choice((-1.0, 0.0, 0.01, float("nan"), float("inf")))),
            wire.RawGet(key),
        )
    )


@contextlib.contextmanager
def _serving(errors: Path, options: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0", *options]
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            if text := errors.read_text()[:2000]:
                print(f"the server's stderr:\n{text}")


def _rss(pid: int) -> int:
    if sys.platform == "linux":
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    kibibytes = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True, text=True).stdout
    return int(kibibytes) * 1024


if __name__ == "__main__":
    sys.exit(main())

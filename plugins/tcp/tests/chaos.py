"""Kills `rdzv serve --data-dir` again and again under load, and checks that nothing acknowledged was lost.

    python plugins/tcp/tests/chaos.py --kills 50

Workers in processes of their own write to shared registers, each time on top of the state that they read, and note
what was acknowledged. A state names its writer and the token that it replaced. In the end, going back from what each
register holds, one chain of tokens must lead through every acknowledged write to the first. Ends with status 1 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend

PROGRESS_SECONDS = 120.0
PADDING = 16_384


class Lost(Exception):  # noqa: N818
    """A promise was broken."""


def work(name: str, endpoint: str, registers: int, notes: Path) -> None:
    """Write to random registers until stdin is closed."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    first = create_backend(
        RendezvousParameters("tcp", endpoint, "chaos", 1, 1, is_host=False, read_timeout=60, connect_timeout=60)
    )
    backends = [first.sibling(f"register-{number}") for number in range(registers)]
    number = 0
    with notes.open("a", buffering=1) as out:
        while not ended.is_set():
            register = random.randrange(registers)
            note = {"register": register, "writer": f"{name}-{number}", "outcome": "unknown"}
            number += 1
            try:
                before = backends[register].get_state()
                token = None if before is None else before.token
                note["prev"] = token.hex() if isinstance(token, bytes) else None
                note["prev_writer"] = None if before is None else json.loads(before.state)["writer"]
                padding = "x" * random.randrange(PADDING)  # so that the log is compacted now and then
                state = json.dumps({"writer": note["writer"], "prev": note["prev"], "padding": padding}).encode()
                result = backends[register].set_state(state, token)
                if result is None or not result.has_set:
                    note["outcome"] = "refused"
                else:
                    note["outcome"], note["token"] = "done", result.token.hex()
            except RendezvousConnectionError as error:
                note["error"] = str(error)[:200]
            out.write(json.dumps(note) + "\n")
    for backend in backends:
        backend.close()
    first.close()


class Server:
    """`rdzv serve`, killed and started again at one endpoint."""

    def __init__(self, endpoint: str, *options: str) -> None:
        self._command = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", endpoint, *options]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise Lost(f"the server did not start again: status {self._process.wait()}")

    def kill(self) -> None:
        if self._process is not None:
            with self._process:
                self._process.send_signal(signal.SIGKILL)
            self._process = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--registers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--no-fsync", action="store_true", help="what kill -9 alone must survive, too")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, endpoint, notes = arguments.worker
        work(name, endpoint, arguments.registers, Path(notes))
        return 0
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="rdzv-chaos-") as folder:
        try:
            run(arguments, Path(folder))
        except Lost as error:
            print(f"FAILED: {error}")
            return 1
    return 0


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Do everything, and print what came of it; raises `Lost`."""
    endpoint = f"127.0.0.1:{_free_port()}"
    options = ["--no-fsync"] if arguments.no_fsync else []
    server = Server(endpoint, "--data-dir", str(folder / "data"), *options)
    notes = [folder / f"worker-{number}" for number in range(arguments.workers)]
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        workers = [
            stack.enter_context(_Worker(number, endpoint, arguments, notes[number])) for number in range(len(notes))
        ]
        for _ in range(arguments.kills):
            _await_progress(workers)
            time.sleep(random.uniform(0, 0.05))  # not always right after a write
            server.kill()
            server.start()
        _await_progress(workers)
        for worker in workers:
            worker.finish()
        seconds = time.monotonic() - began
        final = _final_states(endpoint, arguments.registers)
    written = [json.loads(line) for path in notes for line in path.read_text().splitlines()]
    lengths = [_check(written, register, final[register]) for register in range(arguments.registers)]
    outcomes = {what: sum(note["outcome"] == what for note in written) for what in ("done", "refused", "unknown")}
    size = (folder / "data" / "registers.log").stat().st_size
    print(
        f"{arguments.kills} kills in {seconds:.0f} s, {arguments.workers} writers, {arguments.registers} registers, "
        f"fsync {'off' if arguments.no_fsync else 'on'}: {outcomes['done']} writes acknowledged, "
        f"{outcomes['refused']} refused, {outcomes['unknown']} of unknown outcome; "
        f"chains of {', '.join(map(str, lengths))} writes; log of {size} bytes\n"
        "no acknowledged write lost, no token used twice, every writer went on after every kill"
    )


class _Worker:
    def __init__(self, number: int, endpoint: str, arguments: argparse.Namespace, notes: Path) -> None:
        self.name, self.seen, self._acknowledged = f"worker-{number}", 0, 0
        notes.touch()
        self._notes = notes.open()
        command = [sys.executable, __file__, "--registers", str(arguments.registers)]
        self._process = subprocess.Popen([*command, "--worker", self.name, endpoint, str(notes)], stdin=subprocess.PIPE)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process, self._notes:
            self._process.kill()

    def acknowledged(self) -> int:
        if (status := self._process.poll()) is not None:
            raise Lost(f"{self.name} ended with status {status}")
        self._acknowledged += self._notes.read().count('"outcome": "done"')
        return self._acknowledged

    def finish(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(PROGRESS_SECONDS) != 0:
            raise Lost(f"{self.name} ended with status {self._process.returncode}")


def _await_progress(workers: list[_Worker]) -> None:
    """Wait until every worker has had a write acknowledged since the last time."""
    end = time.monotonic() + PROGRESS_SECONDS
    for worker in workers:
        while (now := worker.acknowledged()) <= worker.seen:
            if time.monotonic() > end:
                raise Lost(f"{worker.name} did not go on within {PROGRESS_SECONDS:g} s")
            time.sleep(0.02)
        worker.seen = now


def _final_states(endpoint: str, registers: int) -> list[tuple[str, str]]:
    first = create_backend(RendezvousParameters("tcp", endpoint, "chaos", 1, 1, is_host=False, read_timeout=60))
    found = []
    for number in range(registers):
        backend = first.sibling(f"register-{number}")
        snapshot = backend.get_state()
        backend.close()
        if snapshot is None:
            raise Lost(f"register {number} holds nothing any more")
        assert isinstance(snapshot.token, bytes)
        found.append((snapshot.token.hex(), json.loads(snapshot.state)["writer"]))
    first.close()
    return found


def _check(written: list[dict[str, str | None]], register: int, final: tuple[str, str]) -> int:
    """Walk back from the final state; gives the chain's length. Raises `Lost`."""
    here = [note for note in written if note["register"] == register]
    by_writer = {note["writer"]: note for note in here}
    tokens = [note["token"] for note in here if note["outcome"] == "done"]
    if len(set(tokens)) != len(tokens):
        raise Lost(f"register {register}: a token was given twice")
    # What a token's write was, also one of unknown outcome: told by who read it, or by the final state.
    writer_of = {note["prev"]: note["prev_writer"] for note in here if note["prev"] is not None}
    writer_of |= {note["token"]: note["writer"] for note in here if note["outcome"] == "done"}
    writer_of[final[0]] = final[1]
    chain: list[str] = []
    token: str | None = final[0]
    while token is not None:
        if token in chain[-1:] or len(chain) > len(here):
            raise Lost(f"register {register}: the chain of tokens runs in a circle at {token}")
        chain.append(token)
        note = by_writer[writer_of[token]]
        if note["outcome"] == "refused":
            raise Lost(f"register {register}: a write was told refused, and took effect: {note}")
        if note["outcome"] == "done" and note["token"] != token:
            raise Lost(f"register {register}: one write has two tokens: {note}, {token}")
        token = note["prev"]
    if missing := set(tokens) - set(chain):
        raise Lost(
            f"register {register}: {len(missing)} acknowledged writes are not in its chain: {sorted(missing)[:3]}"
        )
    return len(chain)


def _free_port() -> int:
    # Below the range from which the system takes the ports of outgoing connections.
    for port in random.sample(range(20_000, 29_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Lost("no free port")


if __name__ == "__main__":
    sys.exit(main())

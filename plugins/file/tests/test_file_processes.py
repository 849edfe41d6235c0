"""Several processes on one register: no write is lost when one of them dies."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

COUNT = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
print("ready", flush=True)
sys.stdin.readline()
won, seen = 0, backend.get_state()
while won < int(sys.argv[2]):
    state, token = seen or (b"0", None)
    *seen, has_set = backend.set_state(b"%d" % (int(state) + 1), token)
    if has_set:
        won += 1
        print(seen[1].hex(), flush=True)
"""

WRITE = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
size = int(sys.argv[2])
seen = backend.get_state() or (b"0", None)
while True:
    number = int(seen[0][:10]) + 1
    *seen, has_set = backend.set_state((b"%010d" % number).ljust(size, b"."), seen[1])
    assert has_set
    print(number, seen[1].hex(), flush=True)
"""


def test_processes_lose_no_update_and_no_token_comes_twice(endpoint, open_backend, start):
    """Four processes count to 100 by compare-and-set: 100 writes won, each with a token of its own."""
    processes = [start(COUNT, endpoint, "25") for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    tokens = [token for process in processes for token in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(tokens)) == len(tokens) == 100
    assert open_backend(endpoint).get_state()[0] == b"100"


def test_of_processes_that_create_at_once_one_wins(endpoint, open_backend, start):
    """Each round four processes create one register: one of them is told that it did."""
    program = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backends = [create_backend(RendezvousParameters("file", sys.argv[1], f"run-{n}", 1, 2)) for n in range(50)]
print("ready", flush=True)
sys.stdin.readline()
print(*(int(backend.set_state(b"same").has_set) for backend in backends))
"""
    processes = [start(program, endpoint) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [[int(has_set) for has_set in process.communicate(timeout=120)[0].split()] for process in processes]
    assert [sum(round_) for round_ in zip(*won, strict=True)] == [1] * 50


@pytest.mark.parametrize("shared", [True, False], ids=["one instance", "an instance each"])
def test_threads_lose_no_update(endpoint, open_backend, shared):
    """Four threads count to 100, on one instance or on one each."""
    backends = [open_backend(endpoint)] * 4 if shared else [open_backend(endpoint) for _ in range(4)]
    barrier = threading.Barrier(4)

    def count(backend) -> None:
        barrier.wait(30)
        won, seen = 0, backend.get_state()
        while won < 25:
            state, token = seen or (b"0", None)
            *seen, has_set = backend.set_state(b"%d" % (int(state) + 1), token)
            won += has_set

    threads = [threading.Thread(target=count, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert backends[0].get_state()[0] == b"100"


@pytest.mark.parametrize(
    ("size", "kills"),
    [*(pytest.param(size, 30, marks=pytest.mark.cases) for size in (100, 200_000)), (200_000, 10)],
)
def test_kill_9_of_a_writer_loses_nothing_acknowledged(endpoint, open_backend, start, size, kills):
    """Killed at any point of a write, again and again: what it acknowledged is there or what came right after it,
    the register goes on, no token comes twice, and no temp file stays."""
    backend = open_backend(endpoint)
    rng = random.Random(size)
    tokens: set[str] = set()
    for _ in range(kills):
        writer = start(WRITE, endpoint, str(size))
        lines = [writer.stdout.readline() for _ in range(rng.randint(1, 10))]
        # A delay spun off here puts the kill anywhere between two acknowledgements.
        threading.Event().wait(rng.uniform(0, 0.003))
        os.kill(writer.pid, 9)
        lines += writer.stdout.readlines()
        writer.wait(30)
        acknowledged = [line.split() for line in lines if line.endswith("\n")]
        fresh = {token for _, token in acknowledged}
        assert len(fresh) == len(acknowledged)
        assert not fresh & tokens
        tokens |= fresh
        last, token = int(acknowledged[-1][0]), acknowledged[-1][1]
        state, current = backend.get_state()
        assert len(state) == size
        assert (int(state[:10]), current.hex()) == (last, token) or int(state[:10]) == last + 1
        tokens.add(current.hex())
    _, token = backend.get_state()
    assert backend.set_state(b"still here", token).has_set
    there = Path(endpoint) if endpoint.endswith("/") else Path(endpoint).parent
    assert list(there.glob("*.tmp")) == []


def test_a_reader_without_a_lock_sees_whole_states_only(endpoint, open_backend, start):
    """While another process writes 200 kB states as fast as it can, every state read is a whole one, and none is older
    than the one before."""
    writer = start(WRITE, endpoint, "200000")
    assert writer.stdout.readline()
    backend = open_backend(endpoint)
    last = 0
    drain = threading.Thread(target=writer.stdout.read)
    drain.start()
    while last < 100:
        state, _ = backend.get_state()
        assert len(state) == 200_000
        assert int(state[:10]) >= last
        last = int(state[:10])
    writer.kill()
    drain.join(30)

"""Threads, processes and forks on one register: one winner a token, no update lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from rdzv_etcd import EtcdBackend, EtcdServer

from rdzv_core import SetStateResult

Connect = Callable[..., EtcdBackend]

# Adds 1 to a decimal counter, the given number of times; prints the tokens that its writes replaced.
COUNT = """
import json, sys
from rdzv_core import RendezvousParameters
from rdzv_etcd import create_backend

def count(backend, times):
    replaced = []
    while len(replaced) < times:
        snapshot = backend.get_state()
        state, token = snapshot if snapshot is not None else (b"0", None)
        result = backend.set_state(b"%d" % (int(state) + 1), token)
        if result is not None and result.has_set:
            replaced.append("none" if token is None else token.hex())
    return replaced
"""

COUNT_IN_PROCESS = (
    COUNT
    + """
backend = create_backend(RendezvousParameters("etcd", sys.argv[1], sys.argv[2], 1, 9))
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(count(backend, int(sys.argv[3]))))
backend.close()
"""
)


def test_several_processes_have_one_winner_a_token(etcd: EtcdServer, connect: Connect, run_id: str) -> None:
    """Four processes, started together, count on one register: no update is lost and no token wins twice."""
    command = [sys.executable, "-c", COUNT_IN_PROCESS, etcd.get_endpoint(), run_id, "40"]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    replaced = [token for process in processes for token in json.loads(process.communicate(timeout=60)[0])]
    assert all(process.returncode == 0 for process in processes)
    assert len(replaced) == len(set(replaced)) == 160
    snapshot = connect(etcd.get_endpoint()).get_state()
    assert snapshot is not None
    assert snapshot.state == b"160"


def test_threads_and_instances_have_one_winner_a_token(etcd: EtcdServer, connect: Connect) -> None:
    """Three threads on each of two instances count on one register: no update is lost and no token wins twice."""
    namespace: dict[str, Any] = {}
    exec(COUNT, namespace)
    backends = [connect(etcd.get_endpoint()) for _ in range(2)] * 3
    replaced: list[str] = []
    barrier = threading.Barrier(len(backends))

    def run(backend: EtcdBackend) -> None:
        barrier.wait()
        replaced.extend(namespace["count"](backend, 20))

    threads = [threading.Thread(target=run, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replaced) == len(set(replaced)) == 120
    snapshot = backends[0].get_state()
    assert snapshot is not None
    assert snapshot.state == b"120"


# A parent with an idle connection and a thread in a wait forks; the child uses and closes the instance, and exits.
FORK = """
import os, sys, threading, time
from rdzv_core import RendezvousParameters
from rdzv_etcd import create_backend

backend = create_backend(RendezvousParameters("etcd", sys.argv[1], sys.argv[2], 1, 9, read_timeout=60))
first = backend.set_state(b"parent")
waited = []
thread = threading.Thread(target=lambda: waited.append(backend.wait_state(first.token, 30)), daemon=True)
thread.start()
while True:  # until the watch stands; the look before it has a longer deadline
    watch = [call for call in backend.client.calls if call.sent and call.deadline < time.monotonic() + 35]
    if watch:
        break
    time.sleep(0.005)
other = backend.sibling("other")
others = other.set_state(b"other")  # leaves an idle connection behind, which both inherit
pid = os.fork()
if pid == 0:
    try:
        for _ in range(200):
            assert other.get_state() == (b"other", others.token)
        assert other.set_state(b"child", others.token).has_set
        other.close()
        backend.close()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
for _ in range(200):
    assert backend.get_state() == (b"parent", first.token)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert list(backend.client.calls) == watch, "the child's close cut the parent's watch"
assert other.get_state().state == b"child"
second = backend.set_state(b"parent again", first.token)
thread.join(20)
assert waited == [(True, (b"parent again", second.token))], waited
other.close()
backend.close()
print("parent and child went on")
"""


def test_a_forked_child_goes_on_and_does_not_disturb_the_parent(etcd: EtcdServer, run_id: str) -> None:
    """The child's calls and its close work over connections of its own; the parent's wait and calls go on."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, etcd.get_endpoint(), run_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "parent and child went on\n", "")


def test_many_threads_share_few_connections(etcd: EtcdServer, connect: Connect) -> None:
    """Many threads may use an instance at once; a handful of connections is kept afterwards, not one a thread."""
    backend = connect(etcd.get_endpoint())
    barrier, results = threading.Barrier(30), list[SetStateResult | None]()

    def run() -> None:
        barrier.wait()
        results.append(backend.set_state(b"x"))

    threads = [threading.Thread(target=run) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.has_set for result in results if result is not None) == [False] * 29 + [True]
    assert backend.client.gateway.idle_connections <= 8

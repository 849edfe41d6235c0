"""The register: states of any bytes, tokens of any kind, one winner a token."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpStore
from rdzv_tcp.conformance import corrupt

from rdzv_core import RendezvousParameters, RendezvousStateError

Open = Callable[..., TcpBackend]
InThreads = Callable[..., list[Any]]

STATES = [b"", b"\0", bytes(range(256)), b"\xff\xfe", b"line\r\nline\n", b"canimadam", b"None", os.urandom(256 * 1024)]
FOREIGN_TOKENS = [
    "",
    "invalid",
    b"",
    b"\xff\xfe",
    b"x" * 16,
    b"y" * 17,
    0,
    7,
    -1,
    2**80,
    (),
    ("a", b"b"),
    False,
    True,
    1.5,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state[:8]!r}-{len(state)}")
def test_a_state_comes_back_byte_for_byte_and_can_be_updated(backend: TcpBackend, state: bytes) -> None:
    """No state is special: it is read as it was set, and another takes its place."""
    first = backend.set_state(state)
    assert first is not None
    assert backend.get_state() == (state, first.token)
    assert (backend.set_state(b"next", first.token) or (0, 0, 0))[2] is True


def test_E3_the_empty_state_is_a_state(open_backend: Open) -> None:
    """E3: b"" is kept, updated, and not erased by the next client."""
    one = open_backend("127.0.0.1:0")
    token = (one.set_state(b"") or (0, b"", 0))[1]
    two = open_backend(one.endpoint)
    assert two.get_state() == (b"", token)
    assert (two.set_state(b"x", token) or (0, 0, 0))[2] is True


def test_E4_no_state_is_a_sentinel(backend: TcpBackend) -> None:
    """E4: the state b"canimadam" is read as what it is."""
    backend.set_state(b"canimadam")
    assert (backend.get_state() or (None,))[0] == b"canimadam"


@pytest.mark.parametrize("token", FOREIGN_TOKENS, ids=repr)
def test_E5_a_foreign_token_is_refused_whatever_it_is(backend: TcpBackend, token: Any) -> None:
    """E5: a token of any type and content changes nothing and raises nothing; where no state is, it creates none."""
    assert backend.set_state(b"z", token) is None
    assert backend.get_state() is None
    first = backend.set_state(b"x")
    assert first is not None
    assert backend.set_state(b"z", token) == (b"x", first.token, False)
    assert not backend.delete_state(token)
    assert backend.get_state() == (b"x", first.token)


def test_E1_an_old_token_is_not_revived_by_the_old_value(backend: TcpBackend) -> None:
    """E1: after A, B, A the first A's token is refused."""
    first = (backend.set_state(b"A") or (0, b"", 0))[1]
    second = (backend.set_state(b"B", first) or (0, b"", 0))[1]
    third = (backend.set_state(b"A", second) or (0, b"", 0))[1]
    assert len({first, second, third}) == 3
    assert backend.set_state(b"C", first) == (b"A", third, False)


def test_E2_of_writers_of_equal_bytes_one_wins(open_backend: Open, in_threads: InThreads) -> None:
    """E2: eight instances create the same state at once; one is told that it did, all get its token."""
    first = open_backend("127.0.0.1:0")
    instances = [first, *(open_backend(first.endpoint) for _ in range(7))]
    results = in_threads(8, lambda number: instances[number].set_state(b"same"))
    assert [result.has_set for result in results].count(True) == 1
    assert len({result.token for result in results}) == 1


def test_E6_a_state_over_the_limit_is_refused_and_nothing_breaks(backend: TcpBackend) -> None:
    """E6: over max_state_bytes is a ValueError, nothing is sent, and the next call works; the limit itself fits."""
    token = (backend.set_state(b"x") or (0, b"", 0))[1]
    with pytest.raises(ValueError, match=f"{backend.max_state_bytes + 1} bytes.*{backend.max_state_bytes}"):
        backend.set_state(bytes(backend.max_state_bytes + 1), token)
    assert backend.get_state() == (b"x", token)
    largest = os.urandom(backend.max_state_bytes)
    assert (backend.set_state(largest, token) or (0, 0, 0))[2] is True
    assert (backend.get_state() or (None,))[0] == largest


def test_E7_a_conditional_write_to_a_vanished_key_gives_none(backend: TcpBackend) -> None:
    """E7: the state was deleted: a write with its token gives None and creates nothing."""
    token = (backend.set_state(b"x") or (0, b"", 0))[1]
    assert backend.delete_state(token)
    assert backend.set_state(b"y", token) is None
    assert backend.get_state() is None


def test_E8_reading_nothing_does_not_wait(backend: TcpBackend) -> None:
    """E8: a get of an absent key comes back at once."""
    began = time.monotonic()
    assert backend.get_state() is None
    assert time.monotonic() - began < 2


def test_E10_a_run_named_like_another_ones_key_is_another_run(open_backend: Open) -> None:
    """E10: no run can be named so that it meets a key of another."""
    job = open_backend("127.0.0.1:0", run_id="job")
    sibling = job.sibling("MASTER_ADDR")
    params = RendezvousParameters("tcp", job.endpoint, "job", 1, 2)
    keys = [params.key, params.for_purpose("MASTER_ADDR").key]
    names = ["job.0/MASTER_ADDR", "job/MASTER_ADDR", *keys, "job.MASTER_ADDR", "job\0MASTER_ADDR"]
    others = [open_backend(job.endpoint, run_id=name) for name in names]
    for number, one in enumerate([job, sibling, *others]):
        assert one.set_state(b"%d" % number) is not None
    assert [(one.get_state() or (None,))[0] for one in [job, sibling, *others]] == [b"%d" % n for n in range(8)]
    sibling.close()


def test_a_deleted_states_token_stays_dead(backend: TcpBackend) -> None:
    """RDZV-CAS-8: after a deletion and a new creation of equal bytes the old token is stale."""
    old = (backend.set_state(b"x") or (0, b"", 0))[1]
    assert backend.delete_state()
    assert not backend.delete_state()
    new = (backend.set_state(b"x") or (0, b"", 0))[1]
    assert backend.set_state(b"y", old) == (b"x", new, False)


def test_set_state_on_corrupt_storage_leaves_it_as_it_is(backend: TcpBackend) -> None:
    """RDZV-STATE-7: with any token or none it is a RendezvousStateError; deleting it is the way out."""
    token = (backend.set_state(b"x") or (0, b"", 0))[1]
    params = RendezvousParameters("tcp", backend.endpoint, "run", 1, 1)
    corrupt(params, b"junk")
    for given in (None, token, "invalid", b""):
        with pytest.raises(RendezvousStateError, match=r"cannot be read.*no rdzv state"):
            backend.set_state(b"y", given)
    with pytest.raises(RendezvousStateError):
        backend.wait_state(token, 5)
    assert backend.raw_store.get(params.key) == b"junk"
    assert backend.delete_state()
    assert (backend.set_state(b"y") or (0, 0, 0))[2] is True


def test_a_state_must_be_bytes(backend: TcpBackend) -> None:
    """Text is refused before anything is sent; other buffers are taken."""
    with pytest.raises(TypeError, match="a state is bytes, not str"):
        backend.set_state("text")  # type: ignore[arg-type]
    assert (backend.set_state(bytearray(b"x")) or (None,))[0] == b"x"  # type: ignore[arg-type]


def _increment(backend: TcpBackend, times: int) -> int:
    """Add to the number in the register; gives how often a write was refused."""
    refused = 0
    for _ in range(times):
        while True:
            snapshot = backend.get_state()
            number, token = (int(snapshot.state), snapshot.token) if snapshot else (0, None)
            result = backend.set_state(b"%d" % (number + 1), token)
            if result is not None and result.has_set:
                break
            refused += 1
    return refused


def test_threads_of_one_instance_lose_no_update(backend: TcpBackend, in_threads: InThreads) -> None:
    """RDZV-CAS-11: eight threads count on one instance, and every increment is there."""
    in_threads(8, lambda _: _increment(backend, 50))
    assert (backend.get_state() or (None,))[0] == b"400"


def test_instances_of_one_process_lose_no_update(open_backend: Open, in_threads: InThreads) -> None:
    """RDZV-CAS-12: six instances of a process count, and every increment is there."""
    first = open_backend("127.0.0.1:0")
    instances = [first, *(open_backend(first.endpoint) for _ in range(5))]
    in_threads(6, lambda number: _increment(instances[number], 50))
    assert (first.get_state() or (None,))[0] == b"300"


def _count_in_process(endpoint: str, times: int) -> None:
    from rdzv_core import create_backend

    backend: Any = create_backend(RendezvousParameters("tcp", endpoint, "run", 1, 1, is_host=False))
    _increment(backend, times)
    backend.close()


_COUNT = """
import sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", sys.argv[1], "run", 1, 1, is_host=False))
sys.stdin.readline()
for _ in range(100):
    while True:
        state, token = backend.get_state() or (b"0", None)
        result = backend.set_state(b"%d" % (int(state) + 1), token)
        if result is not None and result[2]:
            break
backend.close()
"""


def test_processes_lose_no_update(open_backend: Open, run_python: Callable[..., Any]) -> None:
    """RDZV-CAS-13: four processes count, and every increment is there."""
    host = open_backend("127.0.0.1:0")
    processes = [run_python(_COUNT, host.endpoint) for _ in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0] * 4
    assert (host.get_state() or (None,))[0] == b"400"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_lose_no_update(open_backend: Open) -> None:
    """RDZV-CONN-6: children forked from the host count on instances of their own."""
    host = open_backend("127.0.0.1:0")
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_count_in_process, args=(host.endpoint, 50)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 3
    assert (host.get_state() or (None,))[0] == b"150"
    for child in children:
        child.close()


def test_the_raw_store_shows_what_is_stored(backend: TcpBackend) -> None:
    """A corrupt value is read as it is; an absent key is None, and deleted only if it was there."""
    with TcpStore("127.0.0.1", backend.raw_store.port) as store:
        params = RendezvousParameters("tcp", backend.endpoint, "run", 1, 1)
        assert store.get(params.key) is None
        corrupt(params, b"\x00\xff")
        assert store.get(params.key) == b"\x00\xff"
        assert store.delete(params.key)
        assert not store.delete(params.key)


def test_what_an_instance_is_can_be_read_off_its_repr(open_backend: Open) -> None:
    """The repr tells endpoint, run and state."""
    host = open_backend("127.0.0.1:0", run_id="shown")
    client = open_backend(host.endpoint, run_id="shown", is_host=False)
    assert repr(host) == f"<TcpBackend {host.endpoint} run_id='shown' [hosting]>"
    assert repr(client) == f"<TcpBackend {host.endpoint} run_id='shown' [connected]>"
    client.close()
    assert repr(client).endswith("[closed]>")
    assert repr(host.raw_store) == f"<TcpStore {host.endpoint} [open]>"

"""The register on a real etcd: every value a state, every write a token of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer

from rdzv_core import RendezvousConnectionError, RendezvousStateError, SetStateResult

Connect = Callable[..., EtcdBackend]


@pytest.fixture
def backend(etcd: EtcdServer, connect: Connect) -> EtcdBackend:
    return connect(etcd.get_endpoint())


def key_of(backend: EtcdBackend) -> bytes:
    return backend.key


def _set(backend: EtcdBackend, state: bytes, token: Any = None) -> SetStateResult:
    result = backend.set_state(state, token)
    assert result is not None
    return result


def test_E1_a_token_does_not_come_back_with_its_value(backend: EtcdBackend) -> None:
    """E1: after A, B, A the first A's token is refused."""
    first = _set(backend, b"A")
    second = _set(backend, b"B", first.token)
    third = _set(backend, b"A", second.token)
    assert _set(backend, b"C", first.token) == (b"A", third.token, False)
    assert len({first.token, second.token, third.token}) == 3


def test_E2_of_two_writers_of_equal_bytes_one_wins(etcd: EtcdServer, connect: Connect) -> None:
    """E2: many writers of the same bytes with the same token: exactly one is told that it wrote."""
    backends = [connect(etcd.get_endpoint()) for _ in range(8)]
    token: Any = None
    for _ in range(2):
        barrier = threading.Barrier(len(backends))

        def write(backend: EtcdBackend, token: Any = token, barrier: threading.Barrier = barrier) -> SetStateResult:
            barrier.wait()
            return _set(backend, b"same", token)

        with ThreadPoolExecutor(len(backends)) as pool:
            results = list(pool.map(write, backends))
        assert sorted(result.has_set for result in results) == [False] * 7 + [True]
        assert len({result.token for result in results}) == 1
        token = results[0].token


def test_E3_the_empty_state_is_a_state(backend: EtcdBackend, etcd: EtcdServer, connect: Connect) -> None:
    """E3: b"" can be set, is seen by another instance, and can be updated."""
    empty = _set(backend, b"")
    assert connect(etcd.get_endpoint()).get_state() == (b"", empty.token)
    assert _set(backend, b"more", empty.token).has_set


@pytest.mark.parametrize(
    "state", [b"canimadam", b"\x00", b"\n\n", b"None", b"\xff\xfe\x80", bytes(range(256)), b"rdzv1 ", b"x" * 262144]
)
def test_E4_no_value_is_special(backend: EtcdBackend, state: bytes) -> None:
    """E4: any bytes come back as they were set, up to 256 KiB and more."""
    result = _set(backend, state)
    assert backend.get_state() == (state, result.token)
    assert _set(backend, b"next", result.token).has_set


@pytest.mark.parametrize("token", [b"\xff\xfe", b"\xff" * 16, "invalid", "", b"", 0, 7, False, (), (b"x", 1), "\ud800"])
def test_E5_a_token_of_any_kind_is_refused_without_an_error(backend: EtcdBackend, token: Any) -> None:
    """E5: a malformed token changes nothing and raises nothing; the result is the current state."""
    current = _set(backend, b"x")
    assert _set(backend, b"y", token) == (b"x", current.token, False)


@pytest.mark.parametrize("token", [b"\xff" * 16, "invalid", "", b"", 0, False, ()])
def test_a_token_where_there_is_no_state_gives_none(backend: EtcdBackend, token: Any) -> None:
    """With a token, nothing is created."""
    assert backend.set_state(b"y", token) is None
    assert backend.get_state() is None


def test_E6_a_state_over_the_limit_is_refused_and_the_next_call_works(backend: EtcdBackend) -> None:
    """E6: too large a state is a ValueError, nothing is sent, and the instance goes on; the limit itself fits."""
    with pytest.raises(ValueError, match=r"1048577 bytes.*at most 1048576"):
        backend.set_state(b"x" * (backend.max_state_bytes + 1))
    assert backend.get_state() is None
    largest = _set(backend, b"x" * backend.max_state_bytes)
    assert backend.get_state() == (b"x" * backend.max_state_bytes, largest.token)


def test_E7_B15_a_deleted_key_is_a_clean_slate(
    backend: EtcdBackend, etcd: EtcdServer, oracle: Callable[..., Any]
) -> None:
    """E7, B15: when the key vanished a conditional set gives None, and a new state can be created."""
    old = _set(backend, b"old")
    oracle(etcd.get_endpoint()).delete(key_of(backend))
    assert backend.set_state(b"new", old.token) is None
    assert backend.get_state() is None
    new = _set(backend, b"old")
    assert new.has_set
    assert _set(backend, b"again", old.token) == (b"old", new.token, False)


def test_E10_no_two_runs_or_purposes_meet(etcd: EtcdServer, connect: Connect) -> None:
    """E10: runs named like another's keys, in other cases, with odd characters, each have a state of their own."""
    runs = ["job", "JOB", "job.0", "job.0/MASTER_ADDR", "job/", "../job", "job\x00", "jöb", " job", "j" * 1024]
    backends = [connect(etcd.get_endpoint(), run=run) for run in runs]
    backends += [backends[0].sibling("a"), backends[0].sibling("b"), backends[2].sibling("a")]
    for number, backend in enumerate(backends):
        assert _set(backend, b"%d" % number).has_set
    assert [backend.get_state()[0] for backend in backends] == [b"%d" % n for n in range(len(backends))]  # type: ignore[index]
    for sibling in backends[len(runs) :]:
        sibling.close()


def test_the_state_is_readable_with_etcds_own_tools(
    backend: EtcdBackend, etcd: EtcdServer, oracle: Callable[..., Any]
) -> None:
    """The key starts with the prefix and the run's name; the value is one header line, then the state as it is."""
    _set(backend, b'{"round": 1}')
    assert key_of(backend).startswith(b"/rdzv/rdzv.test-")
    header, _, state = oracle(etcd.get_endpoint()).value(key_of(backend)).partition(b"\n")
    assert header.startswith(b"rdzv1 ")
    assert json.loads(state) == {"round": 1}


def test_key_prefix_moves_the_keys(etcd: EtcdServer, connect: Connect, oracle: Callable[..., Any]) -> None:
    """Two prefixes are two name spaces, and the keys are where the prefix says."""
    mine, other = connect(etcd.get_endpoint(), key_prefix="/mine/"), connect(etcd.get_endpoint())
    _set(mine, b"x")
    assert other.get_state() is None
    assert oracle(etcd.get_endpoint()).value(b"/mine/" + key_of(other).removeprefix(b"/rdzv/")) is not None


@pytest.mark.parametrize("damage", ["nonsense", "empty", "torn", "flipped"])
def test_A3_corrupt_storage_is_an_error_and_is_left_alone(
    backend: EtcdBackend, etcd: EtcdServer, oracle: Callable[..., Any], damage: str
) -> None:
    """A3: neither a get nor a set with any token reads damage as "no state" or writes over it; the key is named."""
    current = _set(backend, b"some state")
    outside = oracle(etcd.get_endpoint())
    whole = outside.value(key_of(backend))
    damaged = {"nonsense": b"nonsense", "empty": b"", "torn": whole[:-3], "flipped": whole[:-1] + b"X"}[damage]
    outside.put(key_of(backend), damaged)
    with pytest.raises(RendezvousStateError, match="cannot be read"):
        backend.get_state()
    for token in (None, current.token, "other"):
        with pytest.raises(RendezvousStateError, match=key_of(backend).decode()):
            backend.set_state(b"new", token)
    assert outside.value(key_of(backend)) == damaged
    assert backend.delete_state()
    assert _set(backend, b"new").has_set


def test_a_token_works_from_another_instance(etcd: EtcdServer, connect: Connect) -> None:
    """A token read by one instance is good on another, which never saw it."""
    one, other = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    result = _set(one, b"x")
    assert _set(other, b"y", result.token).has_set
    assert not _set(one, b"z", result.token).has_set


def test_a_record_that_was_put_back_keeps_its_token(
    backend: EtcdBackend, etcd: EtcdServer, oracle: Callable[..., Any]
) -> None:
    """A record restored from a copy has another revision; its token is still the current one."""
    result = _set(backend, b"x")
    outside = oracle(etcd.get_endpoint())
    outside.put(key_of(backend), outside.value(key_of(backend)))
    assert _set(backend, b"y", result.token).has_set


def test_delete_state_is_guarded_by_the_token(backend: EtcdBackend) -> None:
    """Deletion with a stale token does nothing, with the current one it is done once, without one always."""
    assert not backend.delete_state()
    assert not backend.delete_state(b"\x00" * 16)
    first = _set(backend, b"x")
    second = _set(backend, b"y", first.token)
    assert not backend.delete_state(first.token)
    assert not backend.delete_state("invalid")
    assert backend.get_state() == (b"y", second.token)
    assert backend.delete_state(second.token)
    assert backend.get_state() is None
    assert backend.set_state(b"z", second.token) is None


def test_a_closed_instance_refuses_and_its_siblings_go_on(backend: EtcdBackend) -> None:
    """close is idempotent; afterwards every call is an error; siblings share the connections and are not disturbed."""
    sibling = backend.sibling("s")
    cousin = sibling.sibling("c")
    backend.close()
    backend.close()
    calls: list[Callable[[], object]] = [
        backend.get_state,
        lambda: backend.set_state(b"x"),
        lambda: backend.wait_state(None, 5),
        backend.delete_state,
        lambda: backend.sibling("x"),
    ]
    for call in calls:
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call()
    assert _set(sibling, b"x").has_set
    sibling.close()
    assert _set(cousin, b"x").has_set
    cousin.close()


def test_the_repr_names_key_and_endpoint(backend: EtcdBackend, etcd: EtcdServer) -> None:
    """What a debugger shows says which register this is, and whether it is closed."""
    assert key_of(backend).decode() in repr(backend)
    assert etcd.get_endpoint() in repr(backend)
    backend.close()
    assert "(closed)" in repr(backend)

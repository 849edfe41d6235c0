"""How many requests a call takes: what is known already is not asked for again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer, _membership
from rdzv_etcd._client import shared_watch, turns
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._membership import EtcdLease

Connect = Callable[..., EtcdBackend]
Eventually = Callable[[Callable[[], object]], None]
RANGE, TXN, KEEP_ALIVE = "/v3/kv/range", "/v3/kv/txn", "/v3/lease/keepalive"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of this process's requests, but for those of the thread of the watch."""
    sent: list[str] = []
    post = Gateway.post

    def noted(self: Gateway, scope: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread().name != "rdzv-etcd-watch":
            sent.append(path)
        return post(self, scope, path, *args, **kwargs)

    monkeypatch.setattr(Gateway, "post", noted)
    return sent


def _stands(backend: EtcdBackend) -> bool:
    return any(call.sent for call in backend.client.calls)


def _watch(backend: EtcdBackend, token: Any, eventually: Eventually, pool: ThreadPoolExecutor) -> None:
    """Have the register watched by a first wait."""
    waits = pool.submit(backend.wait_state, token, 0.2)
    eventually(lambda: _stands(backend) or waits.done())
    waits.result(20)


def test_a_wait_goes_on_from_what_was_read(
    etcd: EtcdServer,
    connect: Connect,
    requests: list[str],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the register is watched, a wait with the token last seen reads once: when it is woken, or is over."""
    monkeypatch.setattr(shared_watch, "CHECK_EVERY_ALONE", 600.0)
    backend, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    first = writer.set_state(b"1")
    assert first is not None
    assert backend.get_state()
    with ThreadPoolExecutor(1) as pool:
        _watch(backend, first.token, eventually, pool)
        requests.clear()
        assert backend.wait_state(first.token, 0.05) == (False, (b"1", first.token))
        assert requests == [RANGE]
        waits = pool.submit(backend.wait_state, first.token, 60)
        eventually(lambda: _stands(backend))
        second = writer.set_state(b"2", first.token)
        assert second is not None
        requests.clear()
        assert waits.result(20) == (True, (b"2", second.token))
        assert requests.count(RANGE) <= 1


@pytest.mark.parametrize("what", ["register", "members"])
def test_a_wait_in_which_the_watch_was_proven_whole_reads_nothing(
    etcd: EtcdServer, connect: Connect, requests: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The proof is a read of the whole range, made within the wait, for all of this process's waits."""
    monkeypatch.setattr(shared_watch, "CHECK_EVERY_ALONE", 0.02)
    backend, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    writer.enter(b"x", 60)
    first = writer.set_state(b"1")
    assert first is not None
    version = backend.members().version
    assert backend.get_state()
    for _ in range(100):  # until a proof comes within a wait, which a busy machine may hold up
        requests.clear()
        if what == "members":
            assert not backend.wait_members(version, 0.2)
        else:
            assert backend.wait_state(first.token, 0.2) == (False, (b"1", first.token))
        if not requests:
            break
    assert requests == []
    writer.enter(b"y", 60)
    assert writer.set_state(b"2", first.token)
    assert backend.wait_members(version, 60) if what == "members" else backend.wait_state(first.token, 60)[0]


def test_a_change_between_a_read_and_a_wait_ends_the_wait(
    etcd: EtcdServer, connect: Connect, eventually: Eventually
) -> None:
    """A wait that does not look first misses nothing: not a write, not a deletion, not what was there for a moment."""
    backend, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    state = writer.set_state(b"0")
    assert state is not None
    with ThreadPoolExecutor(1) as pool:
        backend.get_state()
        _watch(backend, state.token, eventually, pool)
    for number in range(20):
        there = backend.get_state()
        assert there is not None
        written = writer.set_state(b"%d" % number, there.token)
        assert written is not None
        assert backend.wait_state(there.token, 60) == (True, (b"%d" % number, written.token))
    there = backend.get_state()
    assert there is not None
    assert writer.delete_state(there.token)
    assert backend.wait_state(there.token, 60) == (True, None)
    assert writer.set_state(b"again") is not None
    assert backend.wait_state(None, 60)[0]


def test_a_key_of_a_store_is_read_by_one_request(etcd: EtcdServer, connect: Connect, requests: list[str]) -> None:
    """The roster's page is, by each node of a round."""
    store = connect(etcd.get_endpoint()).store("round")
    store.set("page", b"x")
    requests.clear()
    assert store.get("page", 5) == b"x"
    assert requests == [RANGE]


@pytest.mark.parametrize("order", [1, -1])
def test_a_wait_for_many_keys_asks_few_times(
    etcd: EtcdServer, connect: Connect, requests: list[str], eventually: Eventually, order: int
) -> None:
    """A barrier of 60 keys that come one by one, in whatever order, is not read again for each of them."""
    reader, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    keys = [f"{number:02}" for number in range(60)]
    store = writer.store("round")
    store.set("begun", b"")
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(reader.store("round").multi_get, keys, 60)
        eventually(lambda: _stands(reader))
        requests.clear()
        for key in keys[::order]:
            store.set(key, key.encode())
        assert waits.result(60) == [key.encode() for key in keys]
    read = requests.count(RANGE) + requests.count(TXN) - 60
    assert read <= 60


def test_an_update_just_after_entering_needs_no_keep_alive(
    etcd: EtcdServer, connect: Connect, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is longer in etcd than the ttl, which covers a moment; later an update renews it."""
    backend = connect(etcd.get_endpoint())
    member = backend.enter(b"x", 60)
    requests.clear()
    assert backend.update(member, b"y")
    assert requests == [TXN]
    monkeypatch.setattr(_membership, "SLACK_SECONDS", 0)  # as if that moment were over
    requests.clear()
    assert backend.update(member, b"z")
    assert requests == [TXN, KEEP_ALIVE]


def test_a_process_keeps_the_lease_of_a_run_alive_once(etcd: EtcdServer, connect: Connect, requests: list[str]) -> None:
    """However many of its nodes read the register."""
    writer = connect(etcd.get_endpoint())
    assert writer.set_state(b"x")
    backends = [connect(etcd.get_endpoint()) for _ in range(5)]
    requests.clear()
    for backend in backends:
        assert backend.get_state()
    assert requests.count(KEEP_ALIVE) <= 1


def test_the_nodes_of_a_process_found_a_run_once(
    etcd: EtcdServer, connect: Connect, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They all come at once, and one of them asks for the run's lease; a reset is heard of by all."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    backends = [connect(etcd.get_endpoint()) for _ in range(10)]
    for _ in range(2):
        requests.clear()
        with ThreadPoolExecutor(10) as pool:
            members = list(pool.map(lambda backend: backend.enter(b"x", 60), backends))
        assert len({member.incarnation for member in members}) == 1
        assert requests.count("/v3/lease/grant") == 11
        backends[0].delete_leftovers()


def test_a_founding_that_others_here_have_seen_may_have_ended_too(
    etcd: EtcdServer, connect: Connect, oracle: Callable[..., Any]
) -> None:
    """A node knows an older founding, others of its process a newer one, and both are over: it founds the run again."""
    looks, nodes = oracle(etcd.get_endpoint()), [connect(etcd.get_endpoint()) for _ in range(2)]
    for node in (nodes[0], nodes[1], nodes[0]):
        written = node.set_state(b"x")
        assert written is not None
        assert written.has_set
        lease = looks.kv(node.key)["lease"]
        looks.post("/v3/lease/revoke", {"ID": lease})
        assert looks.kv(node.key) is None


def test_the_members_of_a_process_are_kept_alive_by_one_request(
    etcd: EtcdServer, connect: Connect, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the others, unless it was renewed just now, or all have asked; one that is alone does not wait."""
    monkeypatch.setattr(_membership, "GATHER_SECONDS", 60.0)
    streams: list[int] = []
    stream = Gateway.stream

    def noted(self: Gateway, scope: Any, endpoint: Any, path: str, bodies: Any) -> Any:
        streams.extend([len(bodies)] if path == KEEP_ALIVE else [])
        return stream(self, scope, endpoint, path, bodies)

    monkeypatch.setattr(Gateway, "stream", noted)
    backends = [connect(etcd.get_endpoint()) for _ in range(3)]
    members = [backend.enter(b"x", 60) for backend in backends]
    for backend, member in zip(backends, members, strict=True):
        assert isinstance(member, EtcdLease)
        assert backend.refresh(member), "just after it entered"
        member.renewals.renewed_at -= 5  # that long ago
    requests.clear()
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(EtcdBackend.refresh, backends, members, timeout=50))
    assert (streams, requests) == ([3], [])
    for backend, member in zip(backends[1:], members[1:], strict=True):
        backend.leave(member)
    assert isinstance(members[0], EtcdLease)
    members[0].renewals.renewed_at -= 5
    assert backends[0].refresh(members[0])


def test_a_refresh_finds_out_once_in_two_ttls_whether_the_key_is_there(
    etcd: EtcdServer, connect: Connect, requests: list[str], oracle: Callable[..., Any]
) -> None:
    """A keep-alive alone keeps a lease whose key somebody has deleted; in between nothing is read for that."""
    backend = connect(etcd.get_endpoint())
    ahead, member = backend.enter(b"ahead", 60), backend.enter(b"x", 60)
    assert isinstance(member, EtcdLease)
    assert backend.refresh(ahead)  # this keeps the run's lease alive too
    requests.clear()
    member.renewals.checked_at -= 200  # that long ago
    assert backend.refresh(member)
    assert backend.refresh(member)
    assert requests == [KEEP_ALIVE, RANGE, KEEP_ALIVE]
    looks = oracle(etcd.get_endpoint())
    looks.delete(next(key for key in looks.keys() if key.endswith(member.id.encode())))  # noqa: SIM118 - no dict
    assert backend.refresh(member)
    requests.clear()
    member.renewals.checked_at -= 200
    assert not backend.refresh(member)
    assert requests == [KEEP_ALIVE, RANGE, "/v3/lease/revoke"]
    assert not backend.refresh(member)
    assert backend.refresh(ahead)


def test_the_members_of_a_process_find_out_together_whether_their_keys_are_there(
    etcd: EtcdServer,
    connect: Connect,
    requests: list[str],
    oracle: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those who ask at the same time share one request; each is told of its own key."""
    backends = [connect(etcd.get_endpoint()) for _ in range(8)]
    members = [backend.enter(b"x", 60) for backend in backends]
    looks = oracle(etcd.get_endpoint())
    looks.delete(next(key for key in looks.keys() if key.endswith(members[3].id.encode())))  # noqa: SIM118 - no dict
    for member in members:
        assert isinstance(member, EtcdLease)
        member.renewals.checked_at -= 200
        member.renewals.renewed_at -= 5
    monkeypatch.setattr(_membership, "GATHER_SECONDS", 60)  # less is enough where all come at once
    requests.clear()
    with ThreadPoolExecutor(8) as pool:
        alive = list(pool.map(EtcdBackend.refresh, backends, members, timeout=120))
    assert alive == [number != 3 for number in range(8)]
    assert [path for path in requests if path in (RANGE, TXN)] == [TXN]


def test_one_who_looks_for_its_key_looks_for_those_of_the_others_here(
    etcd: EtcdServer, connect: Connect, requests: list[str], oracle: Callable[..., Any]
) -> None:
    """A ttl after they were last known to be there: so they ask together from then on. Who is out asks itself."""
    backend = connect(etcd.get_endpoint())
    due, soon, lately, out = members = [backend.enter(b"x", 60) for _ in range(4)]
    assert backend.refresh(due)  # this keeps the run's lease alive too
    looks = oracle(etcd.get_endpoint())
    looks.delete(next(key for key in looks.keys() if key.endswith(out.id.encode())))  # noqa: SIM118 - no dict
    for member, ago in zip(members, [121, 61, 59, 61], strict=True):
        assert isinstance(member, EtcdLease)
        member.renewals.checked_at -= ago
    requests.clear()
    assert backend.refresh(due)
    for member in soon, lately, out:
        assert isinstance(member, EtcdLease)
        member.renewals.checked_at -= 62
    assert backend.refresh(soon)
    assert requests == [KEEP_ALIVE, TXN, KEEP_ALIVE]
    assert backend.refresh(lately)
    assert not backend.refresh(out)
    assert requests[3:] == [KEEP_ALIVE, TXN, KEEP_ALIVE, RANGE, "/v3/lease/revoke"]

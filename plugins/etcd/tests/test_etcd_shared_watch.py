"""One watch for all waits of a process: what it costs, and that a silent one is found out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer
from rdzv_etcd._client import shared_watch
from rdzv_etcd._client.feed import LOGGED_EVENTS, Feed
from rdzv_etcd._client.messages import Extent, encode
from rdzv_etcd._client.subscriptions import Span, Subscription, wake_all

Connect = Callable[..., EtcdBackend]
Eventually = Callable[[Callable[[], object]], None]
THREAD = "rdzv-etcd-watch"


def _watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _standing(backend: EtcdBackend) -> int:
    return sum(isinstance(call, Subscription) and call.sent for call in backend.client.calls)


def test_many_waits_cost_one_connection(etcd: EtcdServer, connect: Connect, eventually: Eventually) -> None:
    """300 waits of 30 backends, on registers, members and store keys, stand over one stream; each sees its change."""
    backends = [connect(etcd.get_endpoint()) for _ in range(30)]
    writer = connect(etcd.get_endpoint())
    member = writer.enter(b"x", 60)
    version = writer.members().version
    before = _descriptors()
    with ThreadPoolExecutor(300) as pool:
        waits = []
        for number, backend in enumerate(backends):
            waits += [pool.submit(backend.wait_state, None, 60), pool.submit(backend.wait_members, version, 60)]
            waits += [pool.submit(backend.store("round").get, f"{number}.{key}", 60) for key in range(8)]
        eventually(lambda: sum(map(_standing, backends)) == 300)
        assert _descriptors() - before <= 10
        assert len(_watch_threads()) == 1
        assert not any(wait.done() for wait in waits)
        writer.set_state(b"state")
        writer.leave(member)
        writer.store("round").multi_set({f"{number}.{key}": b"v" for number in range(30) for key in range(8)})
        for wait in waits:
            assert wait.result(30)


def test_a_watch_that_brings_nothing_is_found_out(
    etcd: EtcdServer, connect: Connect, proxy: Any, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Where a stream stands and stays silent, a read shows what it has missed: a write, a deletion, a departure."""
    monkeypatch.setattr(shared_watch, "CHECK_EVERY_ALONE", 0.2)
    watcher, writer = connect(proxy.endpoint), connect(etcd.get_endpoint())
    member = writer.enter(b"x", 60)
    state = writer.set_state(b"state")
    assert state is not None
    version = watcher.members().version
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(watcher.wait_state, state.token, 60), pool.submit(watcher.wait_members, version, 60)]
        eventually(lambda: _standing(watcher) == 2)
        proxy.hushed = True
        assert writer.delete_state(state.token)
        writer.leave(member)
        assert waits[0].result(20) == (True, None)
        assert waits[1].result(20)


def test_the_stream_ends_when_nobody_waits(
    etcd: EtcdServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Neither thread nor connection is kept for waits that may never come; closing ends both at once."""
    monkeypatch.setattr(shared_watch, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(shared_watch, "CHECK_EVERY_ALONE", 0.2)
    backend = connect(etcd.get_endpoint())
    assert backend.wait_state(None, 0.1) == (False, None)
    assert len(_watch_threads()) == 1
    eventually(lambda: not _watch_threads())
    assert backend.wait_state(None, 0.1) == (False, None)
    backend.close()
    assert not _watch_threads()


def test_backends_with_the_same_settings_share_one_gateway(etcd: EtcdServer, connect: Connect) -> None:
    """Connections, login and watch are the process's; other settings have others, and the last one closes them."""
    first, second = connect(etcd.get_endpoint()), connect(etcd.get_endpoint(), run="another")
    other = connect(etcd.get_endpoint(), user="me", password="secret")
    gateway = first.client.gateway
    assert second.client.gateway is gateway
    assert other.client.gateway is not gateway
    first.close()
    assert second.get_state() is None
    assert gateway.idle_connections
    second.close()
    assert not gateway.idle_connections
    assert connect(etcd.get_endpoint()).client.gateway is not gateway


def _event(key: bytes, revision: int, created: int | None = None) -> dict[str, Any]:
    """A put of a key that was created then; without that a deletion."""
    kv = {"key": encode(key), "mod_revision": str(revision)}
    return {"type": "DELETE", "kv": kv} if created is None else {"kv": kv | {"create_revision": str(created)}}


def _feed(extent: Extent, revision: int) -> Feed:
    feed = Feed(Span(b"a", b"b"))
    feed.begin(extent, revision)
    return feed


def _wait(feed: Feed, key: bytes, start_revision: int, known: Extent | None = None) -> Subscription:
    end = b"b" if key == b"a" else None
    subscription = Subscription(Span(key, end), start_revision, time.monotonic(), known)
    feed.add(subscription)
    return subscription


def _woken(waits: Collection[Subscription]) -> set[Subscription]:
    """Return those of the waits that end, each of which wakes the next one."""
    woken = set[Subscription]()
    for _ in waits:
        for each in waits:
            if each not in woken and each.wait():
                woken.add(each)
                each.pass_on()
    return woken


def test_a_wait_that_begins_after_its_change_came_ends_at_once() -> None:
    """What was delivered is remembered for a while; whoever looked before that is told to look again."""
    feed = _feed(Extent(0, 0), 10)
    feed.deliver([_event(b"a1", 11, 11), _event(b"a2", 12, 12)])
    assert _wait(feed, b"a1", 11).wait()
    assert not _wait(feed, b"a1", 12).wait()
    assert _wait(feed, b"a", 12).wait()
    assert not _wait(feed, b"a", 13).wait()
    assert _wait(feed, b"a3", 10).wait()
    feed.deliver([_event(b"a1", revision, 11) for revision in range(13, 13 + LOGGED_EVENTS)])
    assert _wait(feed, b"a3", 12).wait()
    assert not _wait(feed, b"a3", 13).wait()


def test_a_wait_that_looked_before_the_base_looks_again() -> None:
    """Unless it has seen what the base has: the same newest revision, and as many keys."""
    feed = Feed(Span(b"a", b"b"))
    looked_before = _wait(feed, b"a", 9, Extent(5, 2))
    saw_the_same = _wait(feed, b"a", 9, Extent(5, 1))
    looked_then = _wait(feed, b"a1", 11)
    is_from_a_wiped_store = _wait(feed, b"a", 13, Extent(5, 1))
    feed.begin(Extent(5, 1), 10)
    waits = [looked_before, saw_the_same, looked_then, is_from_a_wiped_store]
    assert _woken(waits) == {looked_before, is_from_a_wiped_store}


def test_a_deletion_that_was_not_delivered_is_missed() -> None:
    """It leaves no revision behind, so the keys are counted; what is only late has until the next proof."""
    feed = _feed(Extent(5, 2), 10)
    feed.deliver([_event(b"a3", 11, 11)])
    assert feed.prove(Extent(11, 3), 20, 0.0)
    waits = _wait(feed, b"a1", 21)
    assert feed.prove(Extent(11, 2), 30, 0.0)
    assert waits.wait()
    assert not feed.prove(Extent(11, 2), 40, 0.0)
    feed.deliver([_event(b"a1", 25)])
    assert feed.prove(Extent(11, 2), 50, 0.0)


def test_a_store_that_counts_again_proves_nothing() -> None:
    """A revision below what was delivered is of a store that lost its data."""
    assert not _feed(Extent(5, 2), 10).prove(Extent(5, 2), 9, 0.0)


def test_a_wait_that_has_not_looked_since_the_base_looks_first() -> None:
    """Nobody knows what came between; only what the range was watched for since can be left to the watch."""
    feed = Feed(Span(b"a", b"b"))
    before = time.monotonic()
    unwatched = Subscription(Span(b"a1"), 11, before, None, looked_at=before)
    feed.add(unwatched)
    assert unwatched.wait()
    feed.begin(Extent(5, 1), 10)
    for looked_at, woken in ((before, True), (time.monotonic() + 1, False)):
        subscription = Subscription(Span(b"a1"), 11, before, Extent(5, 1), looked_at)
        feed.add(subscription)
        assert subscription.wait() is woken


def test_an_event_is_compared_with_waits_for_its_key_alone() -> None:
    """A barrier of N nodes has N events and N waits; each event wakes who waits for it, or for its range."""
    feed = _feed(Extent(0, 0), 10)
    waits = {number: _wait(feed, b"a%d" % number, 11) for number in range(100)}
    everything = _wait(feed, b"a", 11)
    assert set(feed.subscriptions.of(b"a7")) == {waits[7], everything}
    feed.deliver([_event(b"a7", 11, 11)])
    assert _woken([*waits.values(), everything]) == {waits[7], everything}
    assert set(feed.subscriptions) == {wait for number, wait in waits.items() if number != 7}


def test_each_wait_wakes_the_next_one_however_it_ends() -> None:
    """A hundred that wake together would fight for the interpreter; one whose deadline has come breaks no chain."""
    feed = _feed(Extent(0, 0), 10)
    waits = [_wait(feed, b"a1", 11) for _ in range(3)]
    wake_all(waits)
    assert [each.wait() for each in waits] == [True, False, False]
    waits[0].pass_on()
    waits[1].pass_on()  # its wait has ended before it was woken
    assert waits[2].wait()

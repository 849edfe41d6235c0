"""Calls of many threads at once: one request makes them for all, and each is as fresh as one of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_etcd import EtcdServer
from rdzv_etcd._client import joint_calls
from rdzv_etcd._client.joint_calls import NOBODY, Gathering, JointCalls
from rdzv_etcd._client.leases import Leases
from rdzv_etcd._client.scope import CancelScope

Eventually = Callable[[Callable[[], object]], None]


class _Store:
    """Answers with what it was asked for and how often, once it is let."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []
        self.may_answer = threading.Semaphore(0)
        self.fails = False

    def ask(self, items: list[Any]) -> tuple[int, list[Any]]:
        self.asked.append(items)
        number, fails = len(self.asked), self.fails
        assert self.may_answer.acquire(timeout=60)
        if fails:
            raise ConnectionError("lost")
        return number, items


class _Threads:
    """Threads that call jointly."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.store = _Store()
        self.joint = JointCalls()
        self.scopes: list[CancelScope] = []
        self._pool = pool

    def call(self, item: object, seconds: float = 60.0, gathering: Gathering = NOBODY) -> Any:
        scope = CancelScope(time.monotonic() + seconds)
        self.scopes.append(scope)
        return self._pool.submit(self.joint.call, "what", scope, self.store.ask, item, gathering)

    def waiting(self) -> int:
        """Return how many take part in the next request."""
        (requests,) = self.joint._of_process.values()
        newest = requests._newest.get("what")
        return 0 if newest is None or newest.sent else len(newest.items)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Threads]:
    monkeypatch.setattr(joint_calls, "PATIENCE_SECONDS", 60.0)
    with ThreadPoolExecutor(50) as pool:
        yield _Threads(pool)


def test_whoever_comes_while_a_request_is_under_way_takes_part_in_the_next(
    threads: _Threads, eventually: Eventually
) -> None:
    """So each answer is of a request that was sent after its caller had asked; forty-one callers need two."""
    first = threads.call(0)
    eventually(lambda: threads.store.asked == [[0]])
    others = [threads.call(number) for number in range(1, 41)]
    eventually(lambda: threads.waiting() == 40)
    for _ in range(2):
        threads.store.may_answer.release()
    assert first.result(60) == (1, [0])
    number, items = others[0].result(60)
    assert (number, sorted(items)) == (2, list(range(1, 41)))
    assert all(other.result(60) == (number, items) for other in others)
    assert threads.joint._of_process.popitem()[1]._newest == {}, "nothing is kept"


def test_one_after_the_other_is_told_and_who_has_gone_breaks_no_chain(
    threads: _Threads, eventually: Eventually
) -> None:
    """Some are closed meanwhile: they ask for themselves at once, which fails, and the others are told all the same."""
    first = threads.call(0)
    eventually(lambda: threads.store.asked == [[0]])
    second = threads.call(1)
    eventually(lambda: threads.waiting() == 1)
    threads.store.may_answer.release()
    assert first.result(60)
    eventually(lambda: len(threads.store.asked) == 2)
    others = [threads.call(number) for number in range(2, 12)]
    eventually(lambda: threads.waiting() == 10)
    for scope in threads.scopes[4:8]:
        scope.cancel()
    eventually(lambda: len(threads.store.asked) == 6)
    for _ in range(10):
        threads.store.may_answer.release()
    assert second.result(60)[0] == 2
    assert all(other.result(60) for other in others)
    assert len(threads.store.asked) == 7


def test_a_request_waits_for_others_until_all_are_there_or_its_time_is_over(
    threads: _Threads, eventually: Eventually
) -> None:
    """Whoever comes meanwhile takes part in it; one that is closed waits no longer."""
    for _ in range(3):
        threads.store.may_answer.release()
    gathered = [threads.call(1, gathering=Gathering(3, 60.0))]
    eventually(lambda: threads.waiting() == 1)
    gathered += [threads.call(number, gathering=Gathering(3, 60.0)) for number in (2, 3)]
    assert {call.result(60)[0] for call in gathered} == {1}
    assert sorted(gathered[0].result()[1]) == [1, 2, 3]
    assert threads.call(4, gathering=Gathering(3, 0.01)).result(60) == (2, [4])
    closed = threads.call(5, gathering=Gathering(3, 60.0))
    eventually(lambda: threads.waiting() == 1)
    threads.scopes[-1].cancel()
    assert closed.result(60) == (3, [5])


def test_where_the_joint_request_fails_each_asks_for_itself(threads: _Threads, eventually: Eventually) -> None:
    """And is told what it finds: a deadline or an end of one caller is no other's."""
    threads.store.fails = True
    first = threads.call(0)
    eventually(lambda: threads.store.asked == [[0]])
    others = [threads.call(number) for number in (1, 2, 3)]
    eventually(lambda: threads.waiting() == 3)
    threads.store.may_answer.release()
    eventually(lambda: len(threads.store.asked) == 2)
    threads.store.fails = False
    for _ in range(10):
        threads.store.may_answer.release()
    with pytest.raises(ConnectionError):
        first.result(60)
    failed = [other for other in others if other.exception(60) is not None]
    assert len(failed) == 1, "the one that has sent it"
    alone = sorted(other.result() for other in others if other not in failed)
    assert sorted(items for _, items in alone) == sorted(
        [number] for number in (1, 2, 3) if [number] in threads.store.asked
    )


def test_a_request_that_hangs_holds_up_the_next_one_for_a_moment(
    threads: _Threads, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """As at a member that stands still; and nobody waits beyond a deadline of its own."""
    monkeypatch.setattr(joint_calls, "PATIENCE_SECONDS", 0.05)
    calls = [threads.call(0)]
    eventually(lambda: len(threads.store.asked) == 1)
    calls.append(threads.call(1))
    eventually(lambda: len(threads.store.asked) == 2)
    monkeypatch.setattr(joint_calls, "PATIENCE_SECONDS", 60.0)
    calls.append(threads.call(2))
    eventually(lambda: threads.waiting() == 1)
    calls.append(threads.call(3, seconds=0.05))
    eventually(lambda: threads.store.asked[2:] == [[3]])
    for _ in range(10):
        threads.store.may_answer.release()
    assert all(call.result(60) for call in calls)


def test_keep_alives_of_many_leases_are_one_request(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Each is told of its own lease, and one that has ended is not taken for another."""
    with etcd.get_client() as client, ThreadPoolExecutor(130) as pool:
        leases = Leases(client)
        ids = [leases.grant(60) for _ in range(130)]
        leases.revoke(ids[17])
        monkeypatch.setattr(joint_calls, "PATIENCE_SECONDS", 60.0)
        may_answer, alone, sent = threading.Event(), list[int](), list[int]()
        one, several = leases._keep_alive_one, client.request_all

        def slow_one(lease: int, deadline: float) -> bool:
            alone.append(lease)
            assert may_answer.wait(60)
            return one(lease, deadline)

        def counted(path: str, bodies: Any, deadline: float) -> list[dict[str, Any]]:
            sent.append(len(bodies))
            return several(path, bodies, deadline)

        monkeypatch.setattr(leases, "_keep_alive_one", slow_one)
        monkeypatch.setattr(client, "request_all", counted)
        first = pool.submit(leases.keep_alive, ids[0])
        eventually(lambda: alone == [ids[0]])
        others = [pool.submit(leases.keep_alive, lease) for lease in ids[1:]]
        eventually(lambda: sum(len(request.items) for request in _requests(client)) == 129)
        may_answer.set()
        assert [call.result(60) for call in (first, *others)] == [number != 17 for number in range(130)]
        assert (alone, sent) == ([ids[0]], [129])


def test_keep_alives_whose_joint_request_is_lost_are_sent_one_by_one(
    etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nobody's answer depends on another's."""
    with etcd.get_client() as client:
        leases = Leases(client)
        ids = [leases.grant(60) for _ in range(3)]

        def lost(path: str, bodies: Any, deadline: float) -> list[dict[str, Any]]:
            raise client.error(f"{path} of {len(bodies)} was lost")

        monkeypatch.setattr(client, "request_all", lost)
        assert leases._keep_alive_all(ids, time.monotonic() + 60) == {}
        monkeypatch.setattr(leases, "_keep_alive_all", lambda *_: {})
        assert all(leases.keep_alive(lease) for lease in ids)


def _requests(client: Any) -> list[Any]:
    return [
        request
        for requests in client._shared.joint._of_process.values()
        for request in list(requests._newest.values())
        if not request.sent
    ]

"""Waiting by polling."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import RendezvousConnectionError, RendezvousStateError, StateSnapshot
from rdzv_core._fallback import PollingWatch, release, watch_of
from rdzv_core._fallback.pace import Life, poll_pauses


def test_a_backend_with_a_watch_of_its_own_keeps_it(make_memory: Any, make_bare: Any) -> None:
    """watch_of gives the backend's own, which release leaves open, or a fallback, which release closes."""
    memory, bare = make_memory(), make_bare()
    assert id(watch_of(memory)) == id(memory)
    watch = watch_of(bare)
    assert isinstance(watch, PollingWatch)
    for port in (memory, watch):
        release(port)
    assert memory.get_state() is None
    with pytest.raises(RendezvousConnectionError, match="closed"):
        watch.wait_state(None, 0)
    assert bare.get_state() is None


def test_it_gives_what_is_there_when_it_differs(make_bare: Any) -> None:
    """At once for another token and for a state where there was none; deletion is a change; else after the timeout."""
    backend = make_bare()
    watch = watch_of(backend)
    assert watch.wait_state(None, 0) == (False, None)
    first = backend.set_state(b"x").token
    assert watch.wait_state(None, 60) == (True, StateSnapshot(b"x", first))
    assert watch.wait_state(first, 0.01) == (False, StateSnapshot(b"x", first))
    second = backend.set_state(b"x", first).token
    assert watch.wait_state(first, 60) == (True, StateSnapshot(b"x", second))
    backend.inner.delete_state()
    assert watch.wait_state(second, 60) == (True, None)


def test_a_change_ends_the_wait(make_bare: Any) -> None:
    """A write by another instance is seen by who waits."""
    backend, other = make_bare(), make_bare()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch_of(backend).wait_state, None, 60.0)
        token = other.set_state(b"x").token
        assert waiting.result(20) == (True, StateSnapshot(b"x", token))


def test_plain_tuples_are_equally_good(make_bare: Any) -> None:
    """A third party's get_state may give a plain tuple; the watch gives a snapshot."""
    backend = make_bare()
    token = backend.set_state(b"x").token
    backend.get_state = lambda: (b"x", token)
    _, there = watch_of(backend).wait_state(None, 60)
    assert there is not None
    assert (there.state, there.token) == (b"x", token)


@pytest.mark.parametrize("what", ["watch", "backend"])
def test_closing_ends_the_wait(what: str, make_bare: Any) -> None:
    """Closing the watch, or the backend, ends a wait with a connection error."""
    backend = make_bare()
    watch = PollingWatch(backend)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch.wait_state, None, 60.0)
        (watch if what == "watch" else backend).close()
        with pytest.raises(RendezvousConnectionError, match="closed"):
            waiting.result(10)


def test_what_cannot_be_read_ends_the_wait(make_bare: Any) -> None:
    """Corrupt storage is a RendezvousStateError to who waits."""
    backend = make_bare()
    backend.inner.hub.raw[backend.inner.key] = b"junk"
    with pytest.raises(RendezvousStateError):
        watch_of(backend).wait_state(None, 60)


def test_polls_grow_from_a_millisecond_to_a_quarter_second() -> None:
    """The first look comes after at most 1 ms; none waits longer than 250 ms, and two sequences are not in step."""
    pauses, others = poll_pauses(), poll_pauses()
    intervals = [pauses.next() for _ in range(50)]
    assert 0.0005 <= intervals[0] <= 0.001
    assert all(0.125 <= interval <= 0.25 for interval in intervals[10:])
    assert intervals != [others.next() for _ in range(50)]


def test_who_waits_leaves_a_busy_store_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause takes twice as long as the look before it, or as long where that is very slow; the last look is late."""
    now, pauses = [0.0], []

    def sleep(life: Life, seconds: float) -> None:
        pauses.append(seconds)
        now[0] += max(seconds, 0.0)

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(Life, "sleep", sleep)
    began = []
    for last in Life("x").looks(1.0):
        began.append((now[0], last))
        now[0] += 0.05
    assert all(pause >= 0.099 for pause in pauses[:-2])
    assert [last for _, last in began] == [False] * (len(began) - 1) + [True]
    assert began[-1][0] >= 1.0 > began[-2][0]
    pauses.clear()
    for _ in Life("x").looks(now[0] + 10.0):
        now[0] += 1.0
    assert all(pause >= 0.99 for pause in pauses[:-2])


def test_attempts_end_when_nobodys_turn_comes() -> None:
    """A write that others always get in before ends by its limit, with how often it was tried."""
    attempts = Life("the register of x").attempts(0.05)
    with pytest.raises(RendezvousConnectionError, match=r"the register of x: others wrote first \d+ times in 0.05 s"):
        for _ in attempts:
            pass

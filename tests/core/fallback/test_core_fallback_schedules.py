"""Membership on registers under many schedules: threads run one register call at a time, in an order drawn by a seed.

Between any two calls of one thread the others may do anything, time may pass, and calls and answers may be lost.
They check what everything else rests on: a member that may believe in its lease is seen by every look within it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from rdzv_core import MemberLease, RendezvousConnectionError
from rdzv_core._fallback import RegisterMembership
from rdzv_core._fallback.pace import Life

TTL = 10.0


class Schedule:
    """Runs workers one at a time, each up to its next register call; who is next is drawn."""

    def __init__(self, seed: int, clock: Any, loss: float) -> None:
        self.random = random.Random(seed)
        self._clock = clock
        self._loss = loss
        self._turns: dict[threading.Thread, threading.Semaphore] = {}
        self._stopped = threading.Semaphore(0)
        self._ended: set[threading.Thread] = set()
        self._errors: list[BaseException] = []

    def before_call(self, what: str, key: str) -> Callable[[], None] | None:
        """Wait for one's turn; then lose the call, or its answer, or neither."""
        if threading.current_thread() not in self._turns:
            return None
        self.stop()
        if self.random.random() >= self._loss:
            return None
        if self.random.random() < 0.5:
            _fail()
        return _fail

    def stop(self, turns: int = 1) -> None:
        """Let the others go on until one has had so many turns."""
        for _ in range(turns):
            self._stopped.release()
            self._turns[threading.current_thread()].acquire()

    def run(self, workers: Sequence[Callable[[], None]]) -> None:
        """Run all workers to their ends; raises what one of them raised."""
        threads = [threading.Thread(target=self._work, args=(worker,), daemon=True) for worker in workers]
        for thread in threads:
            self._turns[thread] = threading.Semaphore(0)
            thread.start()
            assert self._stopped.acquire(timeout=60)
        while running := [thread for thread in threads if thread not in self._ended]:
            self._clock.advance(self.random.choice([0.0, 0.0, 0.0, 0.05, 0.1, 0.3]))
            self._turns[self.random.choice(running)].release()
            assert self._stopped.acquire(timeout=60)
        for thread in threads:
            thread.join(60)
        if self._errors:
            raise self._errors[0]

    def _work(self, worker: Callable[[], None]) -> None:
        try:
            worker()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            self._errors.append(error)
        self._ended.add(threading.current_thread())
        self._stopped.release()


def _fail() -> None:
    raise RendezvousConnectionError("the connection was lost")


class Trial:
    """Some who enter, refresh, update and leave; some who watch; and what each of them may believe."""

    def __init__(self, schedule: Schedule, clock: Any) -> None:
        self.schedule = schedule
        self.clock = clock
        self.beliefs: dict[str, tuple[float, float]] = {}
        self.looks = 0
        self.ended = 0

    def member(self, port: RegisterMembership) -> None:
        """Live two lives: enter, refresh for a while with pauses of any length, then leave or just stop."""
        for _ in range(2):
            lease = self._enter(port)
            if lease is not None:
                self._live(port, lease)

    def _enter(self, port: RegisterMembership) -> MemberLease | None:
        sent = self.clock()
        try:
            lease = port.enter(b"", TTL)
        except RendezvousConnectionError:
            return None
        self.beliefs[lease.id] = (self.clock(), sent + TTL)
        return lease

    def _live(self, port: RegisterMembership, lease: MemberLease) -> None:
        for _ in range(self.schedule.random.randrange(12)):
            if self.schedule.random.random() < 0.2:
                self.schedule.stop(self.schedule.random.randrange(80))
            sent = self.clock()
            update = self.schedule.random.random() < 0.3
            try:
                there = port.update(lease, b"x") if update else port.refresh(lease)
            except RendezvousConnectionError:
                continue
            believed_from, believed_until = self.beliefs[lease.id]
            if not there:
                assert self.clock() >= believed_until, "a member was ended within its lease"
                del self.beliefs[lease.id]
                self.ended += 1
                return
            # Where the lease had run out before, it is only from this answer on that it holds again.
            start = believed_from if sent < believed_until else self.clock()
            self.beliefs[lease.id] = (start, sent + TTL)
        if self.schedule.random.random() < 0.5:
            del self.beliefs[lease.id]
            try:
                port.leave(lease)
            except RendezvousConnectionError:
                pass

    def observer(self, port: RegisterMembership) -> None:
        """Look again and again; everybody who believed in its lease all the while must have been seen."""
        for _ in range(40):
            started = self.clock()
            before = {member for member, (since, until) in self.beliefs.items() if since <= started < until}
            try:
                seen = [member.id for member in port.members().members]
            except RendezvousConnectionError:
                continue
            now = self.clock()
            self.looks += 1
            still = {member for member in before if member in self.beliefs and now < self.beliefs[member][1]}
            assert still <= set(seen), "a look did not show a member within its lease"
            assert len(seen) == len(set(seen))


@pytest.fixture
def make_ports(make_bare: Any, clock: Any, closing: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes ports that stop for the schedule and do not sleep."""
    monkeypatch.setattr(Life, "sleep", lambda life, seconds: life.check())

    def make(count: int, schedule: Schedule) -> list[RegisterMembership]:
        ports = [RegisterMembership(make_bare(schedule.before_call), clock) for _ in range(count)]
        for port in ports:
            closing.callback(port.close)
        return ports

    return make


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("block", range(4))
def test_a_member_within_its_lease_is_seen(loss: float, block: int, make_ports: Any, clock: Any, hub: Any) -> None:
    """Under a hundred schedules no look misses a live member, none is ended early, and the directory settles."""
    looks = ended = 0
    for seed in range(block * 25, block * 25 + 25):
        hub.raw.clear()
        schedule = Schedule(seed, clock, loss)
        trial = Trial(schedule, clock)
        ports = make_ports(6, schedule)
        workers = [partial(trial.member, port) for port in ports[:4]]
        workers += [partial(trial.observer, port) for port in ports[4:]]
        try:
            schedule.run(workers)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, loss {loss}: {error}") from error
        looks, ended = looks + trial.looks, ended + trial.ended
        for _ in range(15):
            clock.advance(1)
            ports[5].members()
        assert ports[5].members().members == (), f"seed {seed}: somebody who does not refresh stays for ever"
    assert looks > 25 * 10
    assert ended > 0

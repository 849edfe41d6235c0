"""Brings the decisions, the command and the rendezvous together: events come in on one queue, effects go out.

The main thread decides and acts. Each helper thread waits for one thing and reports it: the next round, a change of
the round, the end of the command, a signal.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from rdzv_core._cli.node.background import in_background
from rdzv_core._cli.node.decide import Decider
from rdzv_core._cli.node.ending import GOODBYE_SECONDS, Ending
from rdzv_core._cli.node.environment import job_environment
from rdzv_core._cli.node.events import (
    Effect,
    Ended,
    Exit,
    Finish,
    GraceOver,
    Kill,
    Leave,
    Linger,
    Meet,
    Met,
    NodeEvent,
    NotMet,
    OneFailed,
    Pause,
    RoundChanged,
    Say,
    Send,
    Signalled,
    Start,
    Stop,
)
from rdzv_core._cli.node.failures import Failures
from rdzv_core._cli.node.group import WorkerGroup
from rdzv_core._cli.node.lingering import wait_for_others
from rdzv_core._cli.node.signals import ENDING, reported
from rdzv_core._cli.node.workload import Workload
from rdzv_core._cli.stderr import flush_lines
from rdzv_core._errors import RendezvousError
from rdzv_core._handler import ChangeReason, RendezvousHandler, RendezvousInfo
from rdzv_core.events import CommandEnded, CommandStarted

_LOOK_EVERY = 0.5


class Agent:
    """Runs a workload in every round of `handler`'s run, until it ended or must not be started again.

    To be run in the main thread: it takes the signals of `signals.HANDLED` meanwhile, but for those that were ignored
    when it started, as under nohup. While it tells the others that it goes they are `ending`'s. It does not release the
    handler.
    """

    def __init__(
        self,
        handler: RendezvousHandler,
        workload: Workload,
        say: Callable[[str], None],
        store: Callable[[], Mapping[str, str]] = dict,
        ending: Ending | None = None,
        failures: Failures | None = None,
    ) -> None:
        """`store` returns the variables with which the command reaches the store, once there is a round."""
        self._handler = handler
        self._workload = workload
        self._say = say
        self._store = store
        self._ending = ending or Ending(say)
        self._failures = failures
        self._decider = Decider(workload.max_restarts, workload.stop_signal)
        self._events: queue.SimpleQueue[NodeEvent] = queue.SimpleQueue()
        self._group: WorkerGroup | None = None
        self._grace_ends: float | None = None
        self._over = threading.Event()
        self._restarts = 0
        self._told_to_end = self._may_not_signal = False
        self._who = (handler.get_run_id(), handler.settings.node_id)

    def run(self, announcement: str) -> int:
        """Say `announcement`, then join rounds and run the command in them; return its exit status.

        Raises the rendezvous' error where no round can be had, and `OSError` if the command cannot be started.
        """
        self._handler.on_lease(self._renew)
        try:
            with reported(lambda number: self._events.put(Signalled(number))):
                self._say(announcement)
                self._meet()
                while True:
                    event = self._next_event()
                    if isinstance(event, Signalled) and event.number in ENDING:
                        self._told_to_end = True
                    if self._failures is not None:
                        self._failures.see(event, self._decider.phase)
                    effects = self._decider.on(event)
                    if any(isinstance(effect, Exit) for effect in effects):
                        self._begin_to_end()
                    for effect in effects:
                        if isinstance(effect, Exit):
                            return self._ended(effect)
                        self._do(effect)
        finally:
            self._over.set()
            self._workload.end_health_check()
            self._end_group()

    def _ended(self, effect: Exit) -> int:
        self._end_group()
        if self._failures is not None:
            self._failures.tell(effect)
        if effect.error is not None:
            raise effect.error
        return effect.status

    def _begin_to_end(self) -> None:
        """Have a further signal end this process at once, and its time limited if a signal made it end."""
        self._ending.status = self._decider.status
        if self._told_to_end:
            self._ending.within(GOODBYE_SECONDS)

    def _do(self, effect: Effect) -> None:  # noqa: C901 - one line a kind
        if isinstance(effect, Say):
            self._say(effect.text)
        elif isinstance(effect, Meet):
            self._meet()
        elif isinstance(effect, Start):
            self._start(effect.met)
        elif isinstance(effect, Stop):
            self._stop(effect.number)
        elif isinstance(effect, Send):
            self._signal(lambda group: group.send(effect.number))
        elif isinstance(effect, Pause):
            flush_lines()
            os.kill(os.getpid(), signal.SIGSTOP)
        elif isinstance(effect, Kill):
            self._signal(WorkerGroup.kill)
        elif isinstance(effect, Finish):
            self._depart(self._handler.finish)
        elif isinstance(effect, Leave):
            self._depart(self._handler.leave)
        elif isinstance(effect, Linger):
            self._report("rdzv-linger", lambda: wait_for_others(self._handler, effect.why, self._over, self._say))

    def _next_event(self) -> NodeEvent:
        while True:
            left = None if self._grace_ends is None else max(0.0, self._grace_ends - time.monotonic())
            try:
                event = self._events.get(timeout=None if left is None else min(left, threading.TIMEOUT_MAX))
            except queue.Empty:
                self._grace_ends = None
                return GraceOver()
            if isinstance(event, Ended):
                self._grace_ends = self._group = None
            if isinstance(event, RoundChanged) and self._group and self._group.has_ended():
                # The command was faster than the news: its end decides, and is on its way.
                continue
            return event

    def _meet(self) -> None:
        self._report("rdzv-meet", self._wait_for_round)

    def _wait_for_round(self) -> NodeEvent:
        began = time.monotonic()
        while True:
            self._workload.check_health()
            info = self._handler.next_rendezvous()
            environment = self._environment(info)
            if environment is not None:
                seconds = time.monotonic() - began
                ranks = info.worker_ranks
                return Met(info.round, info.rank, info.world_size, seconds, environment, ranks, info.worker_count)

    def _environment(self, info: RendezvousInfo) -> dict[str, str] | None:
        """Wait for what rank 0 has to tell; None if the round is over before it did, as when rank 0 was killed."""
        give_up_at = time.monotonic() + 2 * self._handler.settings.ttl
        while True:
            outcome = self._asked_for_environment(info)
            if not isinstance(outcome, Exception):
                return outcome
            # The store of a round that is over may say so before the news of its end are here; and what fails once
            # may be had the next time, as long as this node is not fenced.
            if self._is_over(_LOOK_EVERY):
                return None
            if not isinstance(outcome, RendezvousError) or time.monotonic() > give_up_at:
                raise outcome

    def _asked_for_environment(self, info: RendezvousInfo) -> dict[str, str] | Exception | None:
        told: queue.SimpleQueue[dict[str, str] | Exception] = queue.SimpleQueue()
        in_background("rdzv-environment", lambda: job_environment(info, self._handler.get_run_id()), told.put)
        while True:
            try:
                return told.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                if self._is_over(0):
                    return None

    def _is_over(self, timeout: float) -> bool:
        """Wait for the round to be over; False after `timeout` seconds, and if only the run was closed."""
        change = self._handler.wait_for_change(timeout)
        if change is not None and change.reason is ChangeReason.CLOSED:
            self._over.wait(timeout)
            return False
        return change is not None

    def _start(self, met: Met) -> None:
        counts = (self._restarts, self._decider.failures)
        self._restarts += 1
        self._group = group = self._workload.start(met, self._store(), counts, self._handler.lease_ends_at())
        if self._failures is not None:
            self._failures.written = group.output.tail
        began = time.monotonic()
        for rank, process_group in zip(met.ranks, group.process_groups, strict=True):
            self._handler.report(CommandStarted(*self._who, met.round, rank, process_group))
        self._renew(self._handler.lease_ends_at())  # it may have moved on while the command was started
        for place in range(len(met.ranks)):
            self._report("rdzv-command", partial(self._wait_for_end, met.round, group, place, began))
        self._report("rdzv-watch", lambda: self._wait_for_change(met.round, group))

    def _wait_for_end(self, number: int, group: WorkerGroup, place: int, began: float) -> NodeEvent | None:
        """Wait for the end of one worker; return that of the command if it was the last one."""
        status, fenced, end = group.wait_for(place, lambda *one: self._events.put(OneFailed(number, *one)))
        seconds = time.monotonic() - began
        self._handler.report(CommandEnded(*self._who, number, status, fenced, seconds, group.ranks[place]))
        return end

    def _renew(self, lease_ends: float) -> None:
        """Let the command run until the lease ends and the grace period after it, in which it would be stopped."""
        if group := self._group:
            group.renew(lease_ends + self._workload.grace_period)

    def _wait_for_change(self, number: int, group: WorkerGroup) -> NodeEvent | None:
        told_of_closing = False
        while self._group is group and not self._over.is_set():
            change = self._handler.wait_for_change(_LOOK_EVERY)
            if change is None:
                continue
            if change.reason is not ChangeReason.CLOSED:
                return RoundChanged(number, change)
            if not told_of_closing:
                told_of_closing = True
                self._events.put(RoundChanged(number, change))
            # A closed run stays closed, and says so at once whenever it is asked.
            self._over.wait(_LOOK_EVERY)
        return None

    def _stop(self, number: int) -> None:
        if self._group is None:
            return
        self._signal(lambda group: group.stop(number))
        if self._grace_ends is None:
            self._grace_ends = time.monotonic() + self._workload.grace_period

    def _signal(self, send: Callable[[WorkerGroup], None]) -> None:
        group = self._group
        if group is None:
            return
        try:
            send(group)
        except PermissionError as error:
            if not self._may_not_signal:
                self._may_not_signal = True
                self._say(
                    f"the command cannot be signalled ({error.strerror}): it runs as another user, as with sudo or a "
                    "set-user-ID program, and keeps running, beside the next round too, until it ends by itself; have "
                    f"that user stop process group {', '.join(map(str, group.process_groups))}"
                )

    def _depart(self, depart: Callable[[], None]) -> None:
        self._ending.status = self._decider.status
        try:
            with reported(self._ending):
                depart()
        except RendezvousError as error:
            # What the command achieved stands; the others learn of it when this node's lease runs out.
            self._say(f"could not tell the others: {error}")

    def _end_group(self) -> None:
        if self._group:
            self._signal(WorkerGroup.kill)
            self._group.wait()

    def _report(self, name: str, wait: Callable[[], NodeEvent | None]) -> None:
        """Put on the queue what `wait` returns, which runs in a thread of its own."""

        def put(outcome: NodeEvent | Exception | None) -> None:
            if outcome is not None:
                self._events.put(NotMet(outcome) if isinstance(outcome, Exception) else outcome)

        in_background(name, wait, put)

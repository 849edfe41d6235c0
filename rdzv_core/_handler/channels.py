"""Which operations are under way, and when a channel may be used again after an error."""

from __future__ import annotations

import random

from rdzv_core._handler.operations import WAITS, Channel, Operation
from rdzv_core.backoff import Backoff

_FIRST, _LONGEST = 0.04, 1.0


class Channels:
    """At most one operation on each; the next ones wait in `operations` for the driver, and `wake_at` for the time."""

    def __init__(self, rng: random.Random, longest: float) -> None:
        self.operations: list[Operation] = []
        self.wake_at = float("inf")
        self._busy: dict[Channel, Operation] = {}
        self._pauses = {channel: Backoff(_FIRST, min(_LONGEST, longest), rng=rng) for channel in Channel}
        self._until = dict.fromkeys(Channel, 0.0)

    def start(self, operation: Operation) -> Operation:
        """Have an operation done."""
        self._busy[operation.channel] = operation
        self.operations.append(operation)
        return operation

    def under_way(self, channel: Channel) -> Operation | None:
        """Return what is being done on a channel."""
        return self._busy.get(channel)

    @property
    def oldest_request(self) -> float:
        """When the oldest operation under way was sent, apart from those that wait for a change."""
        oldest = float("inf")
        for channel, one in self._busy.items():
            if one.started < oldest and channel not in WAITS:
                oldest = one.started
        return oldest

    def ready(self, channel: Channel, now: float) -> bool:
        """Whether something may be started on a channel; if it backs off, wake when that is over."""
        if channel in self._busy:
            return False
        if now < self._until[channel]:
            self.wake(self._until[channel])
            return False
        return True

    def retire(self, operation: Operation) -> bool:
        """Note that an operation has ended; False if it had been given up before."""
        if self._busy.get(operation.channel) is not operation:
            return False
        del self._busy[operation.channel]
        return True

    def give_up(self, *channels: Channel) -> None:
        """Forget what is under way: its answer will be discarded."""
        for channel in channels:
            self._busy.pop(channel, None)

    def succeeded(self, channel: Channel) -> None:
        """End a channel's backing off."""
        self._pauses[channel].reset()
        self._until[channel] = 0.0

    def back_off(self, channel: Channel, now: float) -> None:
        """Leave a channel alone for a while: longer with every failure in a row, jittered."""
        self._until[channel] = now + self._pauses[channel].next()

    def wake(self, at: float) -> None:
        """Ask for a tick at that time, if none is asked for before."""
        self.wake_at = min(self.wake_at, at)

"""What becomes of each message: how long it takes, whether it is lost, late, or held back by an adversary.

Each node has a random stream of its own in each phase, and every message takes the same share of it. So a message's
fate stays the same when another fault is taken away, which is what makes a failing life shrinkable.
"""

from __future__ import annotations

import random
from collections.abc import Container
from math import log

Fate = tuple[float | None, float | None]
"""Seconds that the request and the answer take; None for one that is lost."""

_LONGEST_HELD_BACK = 0.25
_CHANGE_POINTS = 3
_MESSAGES_IN_A_STORM = 1200
_MOST_MESSAGES = 100_000


class MessageRng:
    """Draws fates. `strategy` is `random`, or `pct`: nodes have priorities, and messages of a low one are held back.

    PCT (probabilistic concurrency testing) needs only a few changes of priority at random moments to find an order of
    events that random delays hardly ever produce. With `keep`, only what it names goes wrong; `calm` makes all other
    messages equally fast.
    """

    def __init__(self, seed: int, strategy: str, faults: Container[str], calm: bool, keep: Container[str] | None):
        self._seed, self._keep, self._calm = seed, keep, calm
        self._adversarial = strategy == "pct"
        own = random.Random(f"{seed}.messages")
        worst = own.choice((0.0, 0.01, 0.02, 0.05))
        self._loss = worst if "loss" in faults else 0.0
        self._late = own.choice((0.0, 0.005, 0.01, 0.02)) if "late" in faults else 0.0
        self._disturbed_share = 2 * (self._loss + self._late)
        self._mean = own.choice((0.002, 0.005, 0.01))
        self.counts: dict[str, int] = {"loss": 0, "late": 0, "pct": 0}
        self.struck: list[str] = []
        self._phase = 0
        self._stormy = False
        self._streams: dict[str, tuple[random.Random, list[int]]] = {}
        self._priorities: dict[str, int] = {}
        self._lowest = 0
        self._messages = 0
        self._changes: list[int] = []

    def begin(self, phase: int, stormy: bool) -> None:
        """Begin the storm of a phase, or its peace, in which every message arrives soon."""
        self._phase, self._stormy = phase, stormy
        self._streams.clear()
        self._priorities.clear()
        self._lowest = self._messages = 0
        if stormy and self._adversarial:
            self._changes = self.changes(phase)

    def changes(self, phase: int) -> list[int]:
        """Return after how many messages of a phase's storm the adversary changes a priority."""
        if not self._adversarial:
            return []
        own = random.Random(f"{self._seed}.{phase}.changes")
        return sorted(own.randrange(_MESSAGES_IN_A_STORM) for _ in range(_CHANGE_POINTS))

    def disturbs(self, phase: int, node: str, number: int) -> bool:
        """Return whether a node's message with that number is lost or late, if it sends so many in a phase's storm."""
        if not 1 <= number <= _MOST_MESSAGES:
            return False
        draw = self._stream(phase, node)
        for _ in range(3 * (number - 1)):
            draw.random()
        return draw.random() < self._disturbed_share

    def fate(self, node: str) -> Fate:
        """Return what becomes of the next message of a node."""
        stream = self._streams.get(node)
        if stream is None:
            stream = self._streams[node] = (self._stream(self._phase, node), [0])
        draw, counter = stream
        drawn, first, second = draw.random(), draw.random(), draw.random()
        counter[0] += 1
        if self._calm:
            out = back = 0.002
        else:
            out, back = -log(1.0 - first) * self._mean, -log(1.0 - second) * self._mean
        if not self._stormy:
            return out, back
        if self._adversarial and not self._calm:
            held_back = self._held_back(node)
            out, back = out + held_back, back + held_back
        if drawn < self._disturbed_share:
            return self._disturbed(drawn, f"{self._phase}.{node}.{counter[0]}", out, back)
        return out, back

    def _stream(self, phase: int, node: str) -> random.Random:
        return random.Random(f"{self._seed}.{phase}.{node}")

    def _disturbed(self, drawn: float, name: str, out: float, back: float) -> Fate:
        if self._keep is not None and name not in self._keep:
            return out, back
        self.struck.append(name)
        if drawn < 2 * self._loss:
            self.counts["loss"] += 1
            return (None, None) if drawn < self._loss else (out, None)
        self.counts["late"] += 1
        share = (drawn - 2 * self._loss) / self._late
        return (out + 0.3 + 4.7 * share, back) if share < 1.0 else (out, back + 0.3 + 4.7 * (share - 1.0))

    def _held_back(self, node: str) -> float:
        """Return how long a message of this node waits for those of higher priority."""
        priority = self._priorities.get(node)
        if priority is None:
            priority = self._priorities[node] = self._lowest = self._lowest + 1
        self._messages += 1
        if self._changes and self._messages >= self._changes[0]:
            name = f"{self._phase}.pct.{self._changes.pop(0)}"
            if self._keep is None or name in self._keep:
                self.struck.append(name)
                self.counts["pct"] += 1
                self._lowest += 1
                priority = self._priorities[node] = self._lowest
        held: float = 0.001 * 4**priority
        return held if held < _LONGEST_HELD_BACK else _LONGEST_HELD_BACK

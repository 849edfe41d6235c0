"""What something cost, and whether that grows with the number of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

MOST_SPREAD = 0.1
"""What counts as constant: the largest exceeds the smallest by at most this share."""


@dataclass(frozen=True)
class Cost:
    """What something cost: messages (requests and answers) and bytes for each node, register writes, and seconds."""

    messages: float
    bytes: float
    writes: int
    seconds: float


@dataclass(frozen=True)
class Scaled:
    """What a run of so many nodes cost: the first meeting, one more round, one keep-alive interval of work.

    `cpu_seconds` is what simulating it took.
    """

    nodes: int
    meeting: Cost
    round: Cost
    interval: Cost
    cpu_seconds: float


def grown(measured: Sequence[Scaled]) -> list[str]:
    """Return what grows with the number of nodes: messages by more than a tenth, bytes by more than the logarithm."""
    found = []
    few, many = min(measured, key=_nodes), max(measured, key=_nodes)
    for what in ("meeting", "round", "interval"):
        costs: list[Cost] = [getattr(one, what) for one in measured]
        messages = [cost.messages for cost in costs]
        if spread(messages) > MOST_SPREAD:
            found.append(f"{what}: {min(messages):.1f} to {max(messages):.1f} messages for each node")
        most = getattr(few, what).bytes * log(many.nodes) / log(few.nodes)
        if many.nodes > few.nodes and getattr(many, what).bytes > most:
            found.append(
                f"{what}: {getattr(few, what).bytes:.0f} to {getattr(many, what).bytes:.0f} bytes for each node"
            )
    return found


def _nodes(scaled: Scaled) -> int:
    return scaled.nodes


def spread(costs: Sequence[float]) -> float:
    """Return by what share the largest exceeds the smallest."""
    return max(costs) / min(costs) - 1.0

"""How a join may fail: I12, I18 and I19."""

from __future__ import annotations

from rdzv_core import (
    RendezvousClosedError,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousTimeoutError,
)
from rdzv_simulation._checks.endings import Endings
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.network import TIMEOUT
from rdzv_simulation._invariants import Violation

_HANGS_AFTER = 25.0
"""Seconds of peace after which no join may time out any more."""


class JoinChecks:
    """Knows since when it is calm, and by when everybody has heard of what was before.

    `full_since` is since when every seat of the last roster is taken.
    """

    def __init__(self, cluster: Cluster, endings: Endings) -> None:
        self._cluster, self._endings = cluster, endings
        self._in_touch = TIMEOUT + 2 * cluster.settings.ttl + 1.0
        """Seconds of peace in which everybody hears of what was before, also by a wait whose answer was lost."""
        self._in_touch_at = self._calm_since = 0.0
        self.full_since = float("inf")

    def calm_from(self, time: float) -> None:
        """Take note that nothing goes wrong any more, from that time on."""
        self._calm_since = time

    def store_is_away(self) -> None:
        """Take note that nobody may hear of anything for a while."""
        self._in_touch_at = float("inf")

    def in_touch_after(self, time: float) -> None:
        """Take note that everybody can reach the store from that time on."""
        self._in_touch_at = time + self._in_touch

    def failed(self, name: str, member: str, error: Exception) -> None:
        """Check an error with which a node's join has ended."""
        trouble = isinstance(error, RendezvousConnectionError) and not isinstance(error, RendezvousConfigurationError)
        if trouble:
            raise Violation("I19", f"{name} fails to join before its deadline: {error}")
        if isinstance(error, RendezvousTimeoutError) and self._cluster.peaceful:
            self._timed_out(name)
        if isinstance(error, RendezvousClosedError) and self._endings.has_to_be_told(name, member):
            raise Violation("I18", f"{name} waited when the run finished, and is told so by an error")

    def _timed_out(self, name: str) -> None:
        now, processes = self._cluster.timeline.time, self._cluster.processes
        if now > max(self._in_touch_at, self.full_since + self._in_touch):
            raise Violation("I18", f"{name} is timed out beside a full round that works")
        could_meet = not processes.has_twins() and processes.count() >= self._cluster.settings.min_nodes
        if now > self._calm_since + _HANGS_AFTER and could_meet:
            raise Violation("I12", f"{name} is timed out after {now - self._calm_since:.0f} s of peace")

"""What happens to the store: it stands still, restarts, and loses what it knows."""

from __future__ import annotations

from rdzv_simulation._cluster.environment import Environment
from rdzv_simulation._cluster.store import SimStore


class Outages:
    """`down_until` is when the store is back, or was."""

    def __init__(self, environment: Environment, store: SimStore) -> None:
        self.down_until = 0.0
        self._environment, self._timeline, self._store = environment, environment.timeline, store

    def stand_still(self, seconds: float) -> None:
        """Let the store answer nobody for a while."""
        self._timeline.note(f"STORE is down for {seconds:.1f} s")
        self._away("silent", seconds)

    def restart(self, seconds: float, silent: bool, lost: bool) -> None:
        """Kill the store, and start it again after so long with its memory.

        What is under way is `lost`, or fails at once. Meanwhile requests are refused, or get no answer (`silent`).
        """
        self._timeline.note(
            f"STORE is killed for {seconds:.2f} s" + " (silent)" * silent + " (requests are lost)" * lost
        )
        self._away("silent" if silent else "refusing", seconds)
        self._environment.network.break_all(lost)

    def lose(self, register: bool = False, members: bool = False) -> None:
        """Let the store lose what it knows."""
        self._environment.observer.store_loses(register, members)
        if members:
            self._store.lose_members()
        if register:
            self._store.lose_register()

    def _away(self, how: str, seconds: float) -> None:
        self._store.away = how
        self.down_until = self._timeline.time + seconds
        self._timeline.later(seconds, self._come_back)

    def _come_back(self) -> None:
        if self._store.down and self._timeline.time >= self.down_until - 1e-9:
            self._timeline.note("STORE is back")
            self._store.come_back()

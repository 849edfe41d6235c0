"""The links between each node and the store: cut off, mute or slow for a while."""

from __future__ import annotations

from rdzv_simulation._cluster.timeline import Timeline


class Links:
    """Which links are disturbed, and until when."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._cut_off: dict[str, float] = {}
        self._mute: dict[str, float] = {}
        self._slow: dict[str, tuple[float, float]] = {}

    def cut_off(self, name: str, seconds: float) -> None:
        """Lose all messages of a node for so long."""
        self._timeline.note(f"{name} is cut off for {seconds:.1f} s")
        self._cut_off[name] = max(self._timeline.time + seconds, self._cut_off.get(name, 0.0))

    def mute(self, name: str, seconds: float) -> None:
        """Lose all answers to a node for so long."""
        self._timeline.note(f"answers to {name} are lost for {seconds:.1f} s")
        self._mute[name] = self._timeline.time + seconds

    def slow_down(self, name: str, longer: float, seconds: float) -> None:
        """Let answers to a node take `longer` seconds more, for so long."""
        self._timeline.note(f"answers to {name} take {longer:.2f} s longer for {seconds:.1f} s")
        self._slow[name] = (self._timeline.time + seconds, longer)

    def repair(self) -> None:
        """Let all links work again."""
        self._cut_off.clear()
        self._mute.clear()
        self._slow.clear()

    def is_cut(self, name: str) -> bool:
        """Whether a node's messages are lost now."""
        return bool(self._cut_off) and self._cut_off.get(name, -1.0) > self._timeline.time

    def is_mute(self, name: str) -> bool:
        """Whether answers to a node are lost now."""
        return bool(self._mute) and self._mute.get(name, -1.0) > self._timeline.time

    def delay(self, name: str) -> float:
        """Return by how many seconds answers to a node are late now."""
        if not self._slow:
            return 0.0
        until, longer = self._slow.get(name, (0.0, 0.0))
        return longer if until > self._timeline.time else 0.0

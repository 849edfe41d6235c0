"""How a run ends: its members finish, and those who wait are told so (I18)."""

from __future__ import annotations

from rdzv_core._handler.head import Head, decode_announcement
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.processes import Processes
from rdzv_simulation._cluster.store import SimStore


class Endings:
    """Knows which nodes have still to be told that the run has finished.

    Where a node closes the run by hand, nobody needs to know that all were done besides.
    """

    def __init__(self, processes: Processes, store: SimStore) -> None:
        self._processes, self._store = processes, store
        self._to_be_told: list[tuple[Node, str]] = []
        self._closed_by_hand = False

    def has_finished(self, head: Head) -> bool:
        """Whether all members of the last roster are done, by the head and by what those that are alive announce."""
        gone = head.gone()
        hows = [gone.get(seat.member) or self._announced_bye(seat.member) for seat in head.roster]
        return bool(hows) and all(how == "done" for how in hows)

    def run_finished(self) -> None:
        """Take note of the nodes that wait at the end of a run that has finished: each has to be told."""
        if not self._closed_by_hand:
            self._to_be_told = [(node, node.member) for node in self._processes.staying if node.waits]

    def closed_by_hand(self) -> None:
        """Take note that a node closes the run."""
        self._closed_by_hand = True

    def forget(self) -> None:
        """Take note that the run begins again, or is lost: a late answer may still say that it had finished.

        A closing by hand that has not reached the store yet will close the new epoch, too.
        """
        self._to_be_told = []
        self._closed_by_hand = any(node.closing for node in self._processes.staying)

    def untold(self) -> list[str]:
        """Return the names of the nodes that wait on in a run that has finished."""
        return [node.name for node, _ in self._to_be_told if node.stays and node.waits]

    def has_to_be_told(self, name: str, member: str) -> bool:
        """Whether a membership of that node waited when the run finished."""
        return any(node.name == name and told == member for node, told in self._to_be_told)

    def _announced_bye(self, member: str) -> str:
        payload = self._store.payload(member)
        says = None if payload is None else decode_announcement(payload)
        return "" if says is None else says.bye

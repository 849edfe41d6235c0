"""Lets the planned faults strike a cluster, and counts them."""

from __future__ import annotations

from collections.abc import Mapping

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._faults.kinds import WEIGHTS, WORK_OVER
from rdzv_simulation._faults.network_faults import NETWORK_FAULTS
from rdzv_simulation._faults.node_faults import NODE_FAULTS
from rdzv_simulation._faults.plan import Fault, Storm
from rdzv_simulation._faults.run_faults import RUN_FAULTS
from rdzv_simulation._faults.store_faults import STORE_FAULTS
from rdzv_simulation._faults.target import Strikes

STRIKES: Strikes = {**NODE_FAULTS, **NETWORK_FAULTS, **RUN_FAULTS, **STORE_FAULTS}


class FaultInjector:
    """Which node a fault strikes is drawn from those that are alive at that moment."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._counts = dict.fromkeys(WEIGHTS, 0)
        self._work_goes_on = True
        self.struck: list[str] = []
        """The names of the faults that have struck."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each kind of fault has struck."""
        return self._counts

    def schedule(self, storm: Storm, work_may_be_over: bool) -> None:
        """Let the faults of a storm strike when they are due; work ends without a fault only if it `work_may_be_over`.

        That keeps rounds going where no fault ends one.
        """
        self._work_goes_on = not work_may_be_over
        for fault in storm.faults:
            self._cluster.timeline.later(fault.at, self._strike, fault)

    def note_struck(self, fault: Fault) -> None:
        """Count a fault that has struck."""
        if fault.kind in self._counts:
            self._counts[fault.kind] += 1
        self.struck.append(fault.name)

    def _strike(self, fault: Fault) -> None:
        nodes = self._cluster.processes.staying
        if not nodes or (fault.kind == WORK_OVER and self._work_goes_on):
            return
        if STRIKES[fault.kind](self._cluster, fault, nodes):
            self.note_struck(fault)

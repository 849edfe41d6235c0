"""The handler that torch's elastic agent holds."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo

import rdzv_core
from rdzv_core import Change, ChangeReason, clock
from rdzv_torchrun import BACKEND
from rdzv_torchrun._ending import Ending
from rdzv_torchrun._errors import rendezvous_errors
from rdzv_torchrun._listening import Listening
from rdzv_torchrun._parameters import rdzv_parameters
from rdzv_torchrun._ranks import RankAssignment
from rdzv_torchrun._store import OVER, AgentStore

if TYPE_CHECKING:
    from torch.distributed.elastic.rendezvous import RendezvousParameters

log = logging.getLogger("rdzv")

_LOOK = 0.5
"""Seconds between two attempts to learn what rank 0 tells."""


def create(params: RendezvousParameters) -> TorchrunHandler:
    """Return a handler; see `rdzv_torchrun.create_handler`."""
    with rendezvous_errors():
        return TorchrunHandler(rdzv_core.create_handler(rdzv_parameters(params)))


class TorchrunHandler(RendezvousHandler):
    """One node's part in one run, for one agent. Owns `core` and releases it in `shutdown`.

    What the workers may need of the round is put into this process' environment, which they inherit: RDZV_RUN_ID,
    RDZV_EPOCH, RDZV_ROUND and RDZV_FENCE.
    """

    def __init__(self, core: rdzv_core.RendezvousHandler) -> None:
        self._core = core
        self._listening = Listening(core)
        self._ending = Ending(core)
        self._handled_before = sys.exc_info()[1]

    def get_backend(self) -> str:
        """Return the name by which torch knows this handler: `rdzv`."""
        return BACKEND

    def get_run_id(self) -> str:
        """Return the run id."""
        return str(self._core.get_run_id())

    @property
    def use_agent_store(self) -> bool:
        """Return False: the workers' own rank 0 serves the store that they meet on, at MASTER_ADDR and MASTER_PORT."""
        return False

    def next_rendezvous(self) -> RendezvousInfo:
        """Meet: wait until a round has formed with this node in it. The workers of the last round must have stopped.

        Raises torch's `RendezvousClosedError` for a closed run, `RendezvousTimeoutError` after `join_timeout`,
        `RendezvousGracefulExitError` if the run finished while this node stood by, and `RendezvousConnectionError` or
        `RendezvousStateError` for a store that will not do, each with rdzv's error chained. `ValueError` if this node's
        settings are not those of the run.
        """
        with rendezvous_errors():
            while True:
                info = self._core.next_rendezvous()
                meeting_point = self._meeting_point(info)
                if meeting_point is not None:
                    break
        self._ending.is_member()
        self._listening.to_round(info.round)
        os.environ.update(_environment(info, self.get_run_id()))
        store = AgentStore(info.store, self._core.wait_for_change, RankAssignment(info.world_size))
        return RendezvousInfo(store, info.rank, info.world_size, meeting_point)

    def num_nodes_waiting(self) -> int:
        """Return 1 if this node has to meet again, for whatever reason, and 0 if not; from memory, without a store.

        The agent asks this in every `monitor_interval`, and stops its workers to meet again if it is above 0.
        """
        with rendezvous_errors():
            return int(self._listening.must_meet_again())

    def is_closed(self) -> bool:
        """Return whether the run is closed, read now; raises what the store raises."""
        with rendezvous_errors():
            return bool(self._core.is_closed())

    def set_closed(self) -> None:
        """Close the run: nobody meets in it again."""
        with rendezvous_errors():
            self._core.close_run()

    def shutdown(self) -> bool:
        """End this node's part: its work is done, or, called while an error is being handled, it leaves.

        Never closes the run for others: the last node that is done does that. If this process hosts the store it stays
        until the others are done, or a signal comes. Returns False if the others could not be told.
        """
        error = sys.exc_info()[1]
        return self._ending.end(None if error is self._handled_before else error)

    def _meeting_point(self, info: rdzv_core.RendezvousInfo) -> RendezvousStoreInfo | None:
        """Wait for what rank 0 tells; None if the round was over before it did, as when rank 0 was killed."""
        give_up_at = clock.now() + 2 * self._core.settings.ttl
        while True:
            try:
                return RendezvousStoreInfo(info.master_addr, info.master_port)
            except rdzv_core.RendezvousError as error:
                change: Change | None = self._core.wait_for_change(_LOOK)
                if change is not None and (change.reason in OVER or change.reason is ChangeReason.CLOSED):
                    return None
                if isinstance(error, rdzv_core.RendezvousRoundOverError):
                    return None
                if clock.now() > give_up_at:
                    raise
                if change is not None:  # that a node waits is told again at once, whenever it is asked for
                    time.sleep(_LOOK)

    def __repr__(self) -> str:
        return f"<TorchrunHandler over {self._core!r}>"


def _environment(info: rdzv_core.RendezvousInfo, run_id: str) -> dict[str, str]:
    return {
        "RDZV_RUN_ID": run_id,
        "RDZV_EPOCH": info.epoch,
        "RDZV_ROUND": str(info.round),
        "RDZV_FENCE": str(info.fence),
    }

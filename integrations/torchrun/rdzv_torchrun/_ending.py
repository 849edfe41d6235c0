"""How a node goes: done, failed, told to stop, or staying because it hosts the store."""

from __future__ import annotations

import logging
import threading

from torch.distributed.elastic.multiprocessing import SignalException

import rdzv_core
from rdzv_torchrun._process_end import at_process_end, not_at_process_end

log = logging.getLogger("rdzv")

_GOODBYE_SECONDS = 3.0
"""How long a node that was told to stop tries to tell the others; they learn it from its lease otherwise."""

_LOOK = 1.0


class Ending:
    """Tells the others how this node went, once, and releases `core`.

    torch calls `shutdown` however its agent ends, but for a signal: then the workers are stopped and the process ends.
    So a node that became a member leaves at the end of its process, if nothing else was said before.
    """

    def __init__(self, core: rdzv_core.RendezvousHandler) -> None:
        self._core = core
        self._over = False
        self._registered = False

    def is_member(self) -> None:
        """Have this node leave at the end of its process."""
        if not self._registered:
            self._registered = True
            at_process_end(self._leave_at_the_end)

    def end(self, error: BaseException | None) -> bool:
        """Finish, or leave if there was an `error`; stay while others need the store; release everything."""
        if self._over:
            return True
        self._over = True
        not_at_process_end(self._leave_at_the_end)
        try:
            told = self._tell(error)
            self._stay(error)
        finally:
            self._core.close()
        return told

    def _tell(self, error: BaseException | None) -> bool:
        try:
            if error is None:
                self._core.finish()
            else:
                self._core.leave()
        except rdzv_core.RendezvousError as failure:
            # What the workers achieved stands; the others learn of it when this node's lease ends.
            log.warning("run %r: could not tell the others that this node goes: %s", self._core.get_run_id(), failure)
            return False
        return True

    def _stay(self, error: BaseException | None) -> None:
        """Wait for those who use the store that this process hosts; a signal ends it, and is no failure."""
        if not self._core.hosts_store:
            return
        why = "" if error is None else f"{type(error).__name__}: {error}; "
        told = False
        try:
            while self._is_needed(error):
                if not told:
                    told = True
                    log.warning(
                        "run %r: %sthis node hosts the store: it stays until the others are done (SIGTERM or Ctrl-C "
                        "ends it)",
                        self._core.get_run_id(),
                        why,
                    )
        except (SignalException, KeyboardInterrupt) as signalled:
            log.warning("run %r: told to stop (%s); the store ends", self._core.get_run_id(), signalled)
        except rdzv_core.RendezvousError as failure:
            log.warning("run %r: the store cannot be asked who needs it: %s", self._core.get_run_id(), failure)

    def _is_needed(self, error: BaseException | None) -> bool:
        """Look for a second; where this node never got a round, only other runs are looked at."""
        if error is not None and not self._registered:
            own = self._core.get_run_id()
            return any(run != own for run in self._core.hosted_runs()) and not self._core.wait_until_over(_LOOK)
        return not self._core.wait_until_over(_LOOK)

    def _leave_at_the_end(self) -> None:
        if self._over:
            return
        self._over = True
        leaving = threading.Thread(target=self._leave, name="rdzv leaves", daemon=True)
        leaving.start()
        leaving.join(_GOODBYE_SECONDS)
        self._core.close()

    def _leave(self) -> None:
        try:
            self._core.leave()
        except rdzv_core.RendezvousError as failure:
            log.warning("run %r: could not tell the others that this node goes: %s", self._core.get_run_id(), failure)

"""The port of a round's rank 0: published by rank 0 through the round's store, read there by everybody."""

from __future__ import annotations

import logging
import threading

from rdzv_core import clock
from rdzv_core._handler.info import RendezvousInfo
from rdzv_core._handler.master import free_port, why_not_free
from rdzv_core.abc import Store

log = logging.getLogger("rdzv")

_KEY = "rdzv/master_port"
_PUBLISH_SECONDS = 1.0


class MasterPort:
    """Publishes the port that was `given`, or one that is free. `threads` are those that may still be publishing."""

    def __init__(self, run_id: str, given: int | None) -> None:
        self._run_id, self._given = run_id, given
        self.threads: list[threading.Thread] = []

    def publish(self, info: RendezvousInfo, deadline: float) -> None:
        """Publish the port of rank 0; if that fails, a warning is logged and the others' `master_port` times out.

        Usually it is published when this returns. A slow store keeps rank 0 from its work for a second at most, and
        never past `deadline`: then it is published in the background.
        """

        def warn(error: BaseException) -> None:
            log.warning("rank 0 could not publish its port for round %d: %s", info.round, error)

        def publish() -> None:
            try:
                info.store.set(_KEY, str(self._port()).encode())
            except BaseException as error:  # noqa: BLE001 - there is nobody here to raise it to
                warn(error)

        thread = threading.Thread(target=publish, name=f"rdzv {self._run_id[:32]} port", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            warn(error)
            return
        self.threads = [*(each for each in self.threads if each.is_alive()), thread]
        thread.join(max(0.0, min(_PUBLISH_SECONDS, deadline - clock.now())))

    def read(self, store: Store) -> int:
        """Return the port once rank 0 has published it; raises what the store raises."""
        return int(store.get(_KEY))

    def _port(self) -> int:
        if self._given is None:
            return free_port()
        if (why := why_not_free(self._given)) is not None:
            log.warning(
                "run %r: master_port=%d cannot be bound on this host, which is rank 0 (%s): see what listens there, or "
                "give another port",
                self._run_id,
                self._given,
                why,
            )
        return self._given

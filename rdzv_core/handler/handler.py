"""The handler: what a job holds on to."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from rdzv_core import clock
from rdzv_core._errors import RendezvousError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import RendezvousBackend, Store, SupportsMembership, Token
from rdzv_core.events import Event, EventBus, listeners
from rdzv_core.handler.access import Access
from rdzv_core.handler.driver import Driver
from rdzv_core.handler.head import Bye
from rdzv_core.handler.info import Change, ChangeReason, RendezvousInfo
from rdzv_core.handler.io import Held
from rdzv_core.handler.machine import Machine
from rdzv_core.handler.narrated import NarratedMachine
from rdzv_core.handler.round_store import RoundStore
from rdzv_core.handler.rules import Rules
from rdzv_core.handler.scout import AGED_BY_OBSERVERS, AGED_BY_THE_STORE
from rdzv_core.handler.settings import HandlerSettings
from rdzv_core.hooks import Hooks

log = logging.getLogger("rdzv")

_MASTER_PORT = "rdzv/master_port"
_PUBLISH_SECONDS = 1.0
_CLOSE_SECONDS = 2.0
_LOOK_SECONDS = 1.0


class RendezvousHandler:
    """One node's part in one run. Thread-safe; not usable across a fork.

    Owns `backend` and closes it. As a context manager it leaves, and releases everything, on exit.
    """

    def __init__(
        self,
        backend: RendezvousBackend,
        params: RendezvousParameters,
        settings: HandlerSettings | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.settings = settings or HandlerSettings.from_params(params)
        self._run_id = params.run_id
        self._backend_name = backend.name
        self._hooks = hooks or Hooks()
        self._bus = EventBus(self._hooks, listeners(self.settings.events))
        self._access = Access(backend)
        native = isinstance(backend, SupportsMembership)
        order = self._hooks.rank_order(params.run_id)
        checks = AGED_BY_THE_STORE if native else AGED_BY_OBSERVERS
        if self._bus.listening:
            narrated = NarratedMachine(self.settings, order=order, place_checks=checks)
            narrated.run_id, narrated.tell = params.run_id, self._bus.tell
            machine: Machine = narrated
        else:
            machine = Machine(self.settings, order=order, place_checks=checks)
        self._driver = Driver(machine, self._access, params.run_id[:32])
        self._held: Held | None = None
        self._publishing: list[threading.Thread] = []
        self._closed = False

    def next_rendezvous(self) -> RendezvousInfo:
        """Meet: wait until a round has formed with this node in it. The work of the last round must have stopped.

        Raises `RendezvousTimeoutError` after `join_timeout` (naming who was there and who was missing),
        `RendezvousClosedError` for a closed run, `RendezvousGracefulExitError` if this node left meanwhile,
        `RendezvousConnectionError` if the store can not be reached, `RendezvousStateError` if the run's state can not
        be read, and `ValueError` if this node's settings are not those of the run.
        """
        deadline = clock.now() + self.settings.join_timeout
        self._held = None  # the last round's work has stopped: whoever still waits in its store is told
        try:
            held = self._driver.join()
        finally:
            self._bus.flush()
        try:
            self._held, info = held, self._info(held)
            if held.rank == 0:
                self._publish_port(info, deadline)
        except BaseException:  # KeyboardInterrupt, say: the caller has no round to work in
            self._driver.give_back(held)
            raise
        return info

    def wait_for_change(self, timeout: float | None = None) -> Change | None:
        """Wait until this node should stop its work and meet again; None if nothing changed in `timeout` seconds.

        Level-triggered: what changed before the call is reported at once, and again until the next rendezvous.
        """
        return self._driver.wait_for_change(timeout)

    def lease_ends_at(self) -> float:
        """Give until when this node may work if no further keep-alive succeeds, in seconds on `rdzv_core.clock`.

        Minus infinity while this node has no membership. At that time, 0.9 ttl after the last keep-alive that
        succeeded was sent, `wait_for_change` says FENCED.
        """
        return self._driver.lease_ends_at()

    def on_lease(self, listener: Callable[[float], None]) -> None:
        """Have `listener` told each new `lease_ends_at`; it replaces the last one.

        It is called on the thread that keeps the lease: it must not block. Meant for a watchdog in a process of its
        own, which acts when this process can not (see `rdzv_core/cli/node/guard.py`).
        """
        self._driver.on_lease(listener)

    def num_nodes_waiting(self) -> int:
        """Give how many nodes wait that a next round would admit, read now; raises what the store raises."""
        head = self._access.head()
        if head is None or not head.round:
            return 0
        return Rules().assess(head, self._access.members.members(), settled=False).admissible

    def is_closed(self) -> bool:
        """Say whether the run is closed, read now; raises what the store raises."""
        head = self._access.head()
        return head is not None and head.closed

    def leave(self) -> None:
        """Take this node out of the run; the others meet again without it. No error if it is not in."""
        self._depart("left")

    def finish(self) -> None:
        """Say that this node's work is done, successfully: the others go on undisturbed.

        The last one to finish closes the run.
        """
        self._depart("done")

    def wait_until_over(self, timeout: float) -> bool:
        """Wait until the run is closed or no membership is left in it; False after `timeout` seconds.

        For a node that `hosts_store` and has finished: the others still need it. Raises what the store raises.
        """
        until = clock.now() + timeout
        token: Token | None = None
        while True:
            left = until - clock.now()
            changed, snapshot = self._access.watch.wait_state(token, max(0.0, min(left, _LOOK_SECONDS)))
            token = snapshot[1] if snapshot is not None else None
            if (changed and self.is_closed()) or not self._access.members.count():
                return True
            if left <= 0:
                return False

    @property
    def hosts_store(self) -> bool:
        """Whether the store that the others use ends with this process."""
        return self._access.backend.hosts_store

    def close_run(self) -> None:
        """Close the run: nobody meets in it again. Raises `RendezvousTimeoutError` after `close_timeout` seconds."""
        self._driver.close_run()

    def set_closed(self) -> None:
        """Close the run: the reference's name for `close_run`."""
        self.close_run()

    def shutdown(self) -> bool:
        """Close the run, then release everything; False if the run could not be closed."""
        try:
            self.close_run()
        except RendezvousError as error:
            log.warning("the run %r could not be closed: %s", self._run_id, error)
            return False
        finally:
            self.close()
        return True

    def close(self) -> None:
        """Release the backend and all threads without a word to the others. Idempotent.

        If the backend's `close` raises, that comes out once all else is released; a second `close` does not repeat it.
        """
        self._closed = True
        with ExitStack() as ending:  # from the last line to the first
            ending.callback(self._bus.close)
            for thread in self._publishing:
                ending.callback(thread.join, _CLOSE_SECONDS)
            ending.callback(self._driver.join_threads, _CLOSE_SECONDS)
            ending.callback(self._access.close)
            ending.callback(self._driver.close)

    def report(self, event: Event) -> None:
        """Tell those who listen to events of something that the job did. Never blocks and raises nothing."""
        self._bus.tell(event)

    def get_backend(self) -> str:
        """Give the name of the backend."""
        return self._backend_name

    def get_run_id(self) -> str:
        """Give the run id."""
        return self._run_id

    def __enter__(self) -> RendezvousHandler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if not self._closed:
                self.leave()
        finally:
            self.close()

    def __repr__(self) -> str:
        where = f"rank {self._held.rank} of round {self._held.round}" if self._held else "in no round"
        return f"<RendezvousHandler {self._run_id!r} on {self._backend_name}: {where}>"

    def _depart(self, kind: Bye) -> None:
        self._held = None
        self._driver.depart(kind)
        self._bus.flush()

    def _info(self, held: Held) -> RendezvousInfo:
        return RendezvousInfo(
            rank=held.rank,
            world_size=held.size,
            round=held.round,
            epoch=held.epoch,
            fence=held.fence,
            _peers=lambda: self._access.peers(held),
            _open_store=lambda: RoundStore(
                self._access.store(held.epoch, held.round),
                held.round,
                partial(self._end_of, held),
                self.settings.ttl,
            ),
            _master=lambda info: (held.master, self._master_port(info.store)),
        )

    def _end_of(self, held: Held) -> Change | None:
        """Return why the round `held` is over, None while it stands; raises as `wait_for_change` does."""
        if self._held is not held:
            return Change(ChangeReason.ASKED, "this node has left it, or has asked for the next one")
        return self._driver.wait_for_change(0.0)

    def _publish_port(self, info: RendezvousInfo, deadline: float) -> None:
        """Rank 0 says which port was free on it; if that fails, the others' `master_port` times out.

        Usually it is said when `next_rendezvous` returns. A store that is slow just now keeps rank 0 from its work for
        a second at most, and never past `deadline`: it is said in the background then.
        """

        def warn(error: BaseException) -> None:
            log.warning("rank 0 could not publish its port for round %d: %s", info.round, error)

        def publish() -> None:
            try:
                info.store.set(_MASTER_PORT, str(_free_port()).encode())
            except BaseException as error:  # noqa: BLE001 - there is nobody here to raise it to
                warn(error)

        thread = threading.Thread(target=publish, name=f"rdzv {self._run_id[:32]} port", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            warn(error)
            return
        self._publishing = [*(each for each in self._publishing if each.is_alive()), thread]
        thread.join(max(0.0, min(_PUBLISH_SECONDS, deadline - clock.now())))

    def _master_port(self, store: Store) -> int:
        return int(store.get(_MASTER_PORT))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port

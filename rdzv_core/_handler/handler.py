"""The handler: what a job holds on to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from rdzv_core import clock
from rdzv_core._errors import RendezvousGracefulExitError
from rdzv_core._handler.engine import Engine
from rdzv_core._handler.head import DepartureKind
from rdzv_core._handler.hosting import hosted_runs, wait_until_over
from rdzv_core._handler.info import Change, ChangeReason, RendezvousInfo
from rdzv_core._handler.master import unusable_addresses
from rdzv_core._handler.master_port import MasterPort
from rdzv_core._handler.opening import Opening
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.process_bound import Owner, closed_error
from rdzv_core._handler.ranks import rank_order
from rdzv_core._handler.round_store import RoundStore
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.worker_ranks import ranks_of
from rdzv_core._listeners.bus import EventBus
from rdzv_core._listeners.chosen import listeners
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import RendezvousBackend, Store
from rdzv_core.compat import PyTorchNames, resolve_alias
from rdzv_core.events import Event
from rdzv_core.hooks import Hooks
from rdzv_core.registry import normalize

log = logging.getLogger("rdzv")

_CLOSE_SECONDS = 2.0


class RendezvousHandler(PyTorchNames):
    """One node's part in one run. Thread-safe; not usable across a fork, where all of it raises `RendezvousError`.

    Owns `backend` and closes it. It may be an `Opening` of one that is not there yet: the first rendezvous then waits
    for it. As a context manager it leaves, and releases everything, on exit.
    """

    def __init__(
        self,
        backend: RendezvousBackend | Opening,
        params: RendezvousParameters,
        settings: HandlerSettings | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._owner = Owner()
        self.settings = settings or HandlerSettings.from_params(params)
        self._run_id, self._endpoint = params.run_id, params.endpoint
        self._hooks = hooks or Hooks()
        self._bus = EventBus(self._hooks, listeners(self.settings.events))
        self._lease_listener: Callable[[float], None] | None = None
        self._held: Assignment | None = None
        self._master_port = MasterPort(params.run_id, self.settings.master_port)
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._engine: Engine | None = None
        self._opening: Opening | None = None
        if isinstance(backend, Opening):
            self._opening = backend
            self._backend_name = normalize(resolve_alias(params).backend.rpartition(":")[2])
        else:
            self._backend_name = backend.name
            self._start(backend)

    def next_rendezvous(self) -> RendezvousInfo:
        """Join: wait until a round has formed with this node in it. The work of the last round must have stopped.

        Raises `RendezvousTimeoutError` after `join_timeout` (naming who was there and who was missing, or why the store
        could not be reached, as its cause), which does not run while this node stands by at a full round;
        `RendezvousClosedError` for a closed run, `RendezvousGracefulExitError` if this node left meanwhile or the run
        has finished while it stood by, `RendezvousConfigurationError` if the store does not take what this node was
        given, `RendezvousStateError` if the run's state cannot be read, and `ValueError` if this node's settings are
        not those of the run. A store that is away is waited for.
        """
        self._owner.check()
        deadline = clock.now() + self.settings.join_timeout
        self._held = None  # the last round's work has stopped: a read that still waits in its store is told
        try:
            engine = self._opened(deadline, "join_timeout", self.settings.join_timeout)
            held = engine.driver.join(deadline)
        finally:
            self._bus.flush()
        try:
            self._held, info = held, self._info(engine, held)
            self._look_at_addresses(engine, held)
            if held.rank == 0:
                self._master_port.publish(info, deadline)
        except BaseException:  # a KeyboardInterrupt, for example: the caller has no round to work in
            engine.driver.give_back(held)
            raise
        return info

    def wait_for_change(self, timeout: float | None = None) -> Change | None:
        """Wait until this node should stop its work and join again; None if nothing changed in `timeout` seconds.

        Level-triggered: what changed before the call is reported at once, and again until the next rendezvous.
        """
        self._owner.check()
        engine = self._engine
        if engine is not None:
            return engine.driver.wait_for_change(timeout)
        if self._closed.wait(timeout):
            raise closed_error()
        return None

    def lease_ends_at(self) -> float:
        """Return until when this node may work if no further keep-alive succeeds, in seconds on `rdzv_core.clock`.

        Minus infinity while this node has no membership. At that time, 0.9 ttl after the last keep-alive that
        succeeded was sent, `wait_for_change` returns FENCED.
        """
        self._owner.check()
        return float("-inf") if self._engine is None else self._engine.driver.lease_ends_at()

    def on_lease(self, listener: Callable[[float], None]) -> None:
        """Call `listener` with each new `lease_ends_at`; it replaces the last listener.

        It is called on the thread that keeps the lease: it must not block. It is meant for a watchdog in another
        process, which acts when this one cannot (see `rdzv_core/_cli/node/watchdog.py`).
        """
        self._owner.check()
        with self._starting:
            self._lease_listener = listener
            if self._engine is not None:
                self._engine.driver.on_lease(listener)

    def num_nodes_waiting(self) -> int:
        """Return how many nodes wait that a next round would admit, read now; raises what the store raises."""
        adapter = self._reading().adapter
        head = adapter.head()
        if head is None or not head.round:
            return 0
        return Rules().assess(head, adapter.members.members(), settled=False).admissible

    def is_closed(self) -> bool:
        """Return whether the run is closed, read now; raises what the store raises."""
        return self._reading().adapter.is_closed()

    def leave(self) -> None:
        """Take this node out of the run; the others join again without it. No error if it is not in the run."""
        self._depart("left")

    def abandon(self) -> None:
        """Leave the run without waiting for that to be kept; end a `next_rendezvous` of another thread.

        That call then raises `RendezvousGracefulExitError`, or returns a round which this node is leaving. Never blocks
        on the store.
        """
        self._owner.check()
        self._held = None
        if self._opening is not None:
            self._opening.interrupt()
        if self._engine is not None:
            self._engine.driver.abandon()

    def finish(self) -> None:
        """Announce that this node's work is done, successfully: the others go on undisturbed.

        The last one to finish closes the run.
        """
        self._depart("done")

    def wait_until_over(self, timeout: float) -> bool:
        """Wait until nobody needs the store that this process hosts; False after `timeout` seconds.

        For a node that `hosts_store` and has finished. Nobody needs the store once the run is closed or has no member,
        and `hosted_runs` is empty. Raises what the store raises.
        """
        self._owner.check()
        return self._engine is None or wait_until_over(self._engine.adapter, self._run_id, timeout)

    def hosted_runs(self) -> list[str]:
        """Return the names of the runs whose members use the store that this process hosts, for people.

        A member that has said goodbye no longer uses it, though its lease may run on for a while. This node's own run
        is given as its run id; of another run's id only a readable part is known. Empty if this process hosts no store,
        or the backend does not know.
        """
        self._owner.check()
        return [] if self._engine is None else hosted_runs(self._engine.adapter, self._run_id)

    @property
    def hosts_store(self) -> bool:
        """Whether the store that the others use ends with this process."""
        return self._engine is not None and self._engine.adapter.backend.hosts_store

    @property
    def endpoint(self) -> str:
        """Where the store is, as the backend reports it: with the port that was bound. Empty if it does not."""
        said = None if self._engine is None else getattr(self._engine.adapter.backend, "endpoint", None)
        return said if isinstance(said, str) else ""

    @property
    def rank(self) -> int | None:
        """This node's rank in the round that it works in; None while it works in none."""
        held = self._held
        return None if held is None else held.rank

    @property
    def connected(self) -> bool:
        """Whether the store was reached at least once: until then `next_rendezvous` waits for it."""
        return self._engine is not None

    def close_run(self) -> None:
        """Close the run: no further round forms. Raises `RendezvousTimeoutError` after `close_timeout` seconds."""
        self._owner.check()
        within = self.settings.close_timeout
        self._opened(clock.now() + within, "close_timeout", within).driver.close_run()

    def close(self) -> None:
        """Release the backend and all threads without telling the others. Idempotent.

        If the backend's `close` raises, so does this, once all else is released; a second `close` does not raise again.
        In a forked child it does nothing: what is held there belongs to the parent.
        """
        if not self._owner.is_here:
            return
        self._closed.set()
        with ExitStack() as ending:  # from the last line to the first
            ending.callback(self._bus.close)
            for thread in self._master_port.threads:
                ending.callback(thread.join, _CLOSE_SECONDS)
            if self._opening is not None:
                self._opening.cancel()
            with self._starting:
                engine = self._engine
            if engine is not None:
                ending.callback(engine.driver.join_threads, _CLOSE_SECONDS)
                ending.callback(engine.adapter.close)
                ending.callback(engine.driver.close)

    def report(self, event: Event) -> None:
        """Report an event of the job to the listeners. Never blocks and raises nothing.

        In a forked child nobody listens.
        """
        if self._owner.is_here:
            self._bus.tell(event)

    def sibling(self, purpose: str) -> RendezvousBackend:
        """Return a register of the run for a purpose of the caller's, which closes it. Raises what the store raises."""
        if self._closed.is_set():
            raise closed_error()
        return self._reading().adapter.backend.sibling(purpose)

    def get_backend(self) -> str:
        """Return the name of the backend."""
        return self._backend_name

    def get_run_id(self) -> str:
        """Return the run id."""
        return self._run_id

    def __enter__(self) -> RendezvousHandler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._owner.is_here and not self._closed.is_set():
                self.leave()
        finally:
            self.close()

    def __repr__(self) -> str:
        where = f"rank {self._held.rank} of round {self._held.round}" if self._held else "in no round"
        return f"<RendezvousHandler {self._run_id!r} on {self._backend_name}: {where}>"

    def _depart(self, kind: DepartureKind) -> None:
        self._owner.check()
        self._held = None
        if self._opening is not None:
            self._opening.interrupt()
        if self._engine is not None:
            self._engine.driver.depart(kind)
        self._bus.flush()

    def _opened(self, deadline: float, option: str, seconds: float) -> Engine:
        """Return the engine; wait for the store, and log what is wrong with it meanwhile."""
        if self._engine is None and self._opening is not None:
            what = f"run {self._run_id!r}: the store could not be reached within {seconds:g} s ({option})"
            try:
                self._take(self._opening.until(deadline, what, log.warning, self._endpoint))
            except RendezvousGracefulExitError:
                if not self._closed.is_set():
                    raise
        if self._engine is None:
            raise closed_error()
        return self._engine

    def _take(self, backend: RendezvousBackend) -> None:
        with self._starting:
            if wanted := self._engine is None and not self._closed.is_set():
                self._start(backend)
        if not wanted:  # another thread was faster, or the handler was closed
            backend.close()

    def _reading(self) -> Engine:
        self._owner.check()
        within = self.settings.heartbeat_timeout
        return self._opened(clock.now() + within, "heartbeat_timeout", within)

    def _start(self, backend: RendezvousBackend) -> None:
        order = rank_order(self._hooks, self._run_id)
        engine = Engine(backend, self._run_id, self._endpoint, self.settings, order, self._bus)
        self.settings = engine.settings
        if self._lease_listener is not None:
            engine.driver.on_lease(self._lease_listener)
        self._engine = engine

    def _info(self, engine: Engine, held: Assignment) -> RendezvousInfo:
        ranks, count = ranks_of(held.workers, held.rank, held.size)
        return RendezvousInfo(
            rank=held.rank,
            world_size=held.size,
            round=held.round,
            epoch=held.epoch,
            fence=held.fence,
            worker_ranks=ranks,
            worker_count=count,
            _peers=lambda: self._here(engine).adapter.peers(held),
            _open_store=lambda: self._round_store(self._here(engine), held),
            _master=lambda info: (held.master, self._master_port.read(info.store)),
        )

    def _here(self, engine: Engine) -> Engine:
        self._owner.check()
        return engine

    def _round_store(self, engine: Engine, held: Assignment) -> Store:
        store = engine.adapter.store(held.epoch, held.round)
        return RoundStore(store, held.round, partial(self._end_of, held), self.settings.ttl)

    def _end_of(self, held: Assignment) -> Change | None:
        """Return why the round `held` is over, None while it stands; raises as `wait_for_change` does."""
        if self._held is not held:
            return Change(ChangeReason.ASKED, "this node has left it, or has asked for the next one")
        return self.wait_for_change(0.0)

    def _look_at_addresses(self, engine: Engine, held: Assignment) -> None:
        """Warn of addresses that the other nodes cannot use, where this node can see that."""
        text = unusable_addresses(held, engine.settings.address)
        if text:
            log.warning("run %r, round %d: %s", self._run_id, held.round, text)

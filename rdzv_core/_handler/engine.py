"""What a handler runs once the store is open: the machine, its driver, and the edge to the backend."""

from __future__ import annotations

from rdzv_core._handler.diagnostics import RunAt
from rdzv_core._handler.driver import Driver
from rdzv_core._handler.instrumented import InstrumentedMachine
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.rank_order import RankOrder
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core._handler.watcher import AGED_BY_OBSERVERS, AGED_BY_THE_STORE
from rdzv_core._listeners.bus import EventBus
from rdzv_core.abc import RendezvousBackend, SupportsMembership


class Engine:
    """Owns `backend`. `adapter` and `driver` are ended by the handler, in an order of its own.

    `settings` include the address that peers are told.
    """

    def __init__(
        self,
        backend: RendezvousBackend,
        run_id: str,
        endpoint: str,
        settings: HandlerSettings,
        order: RankOrder,
        bus: EventBus,
    ) -> None:
        self.settings = settings = settings.located(backend.local_address())
        self.adapter = StoreAdapter(backend)
        run = RunAt(run_id, endpoint, backend.endpoint_hint)
        checks = AGED_BY_THE_STORE if isinstance(backend, SupportsMembership) else AGED_BY_OBSERVERS
        if bus.listening:
            instrumented = InstrumentedMachine(settings, order=order, place_checks=checks, run=run)
            instrumented.run_id, instrumented.tell = run_id, bus.tell
            machine: Machine = instrumented
        else:
            machine = Machine(settings, order=order, place_checks=checks, run=run)
        self.driver = Driver(machine, self.adapter, run_id[:32])

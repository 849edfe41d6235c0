"""A backend's capability if it has it, else the fallback."""

from __future__ import annotations

from rdzv_core._fallback.membership import RegisterMembership
from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.registers import Siblings
from rdzv_core._fallback.store import RegisterStore
from rdzv_core._fallback.watch import PollingWatch
from rdzv_core.abc import RendezvousBackend, Store, SupportsMembership, SupportsStore


def membership_of(backend: RendezvousBackend) -> SupportsMembership:
    """Return the run's membership: the backend's own, else one built on sibling registers (then `release` it)."""
    return backend if isinstance(backend, SupportsMembership) else RegisterMembership(backend)


def siblings_of(backend: RendezvousBackend, what: str) -> Siblings:
    """Return siblings for the stores of several rounds, to be closed by the caller; `what` is their name in errors."""
    return Siblings(backend, Life(f"{what} on backend {backend.name!r}"))


def store_of(backend: RendezvousBackend, epoch: str, generation: int, siblings: Siblings | None = None) -> Store:
    """Return a store private to one round (`generation`) of one epoch: of the backend's own kind, else on a register.

    A backend's own keeps each round's keys apart; the one on a register empties for a later round. That register is
    one of `siblings`, which ends with them; without these, it is the store's own (`release` it).
    """
    if isinstance(backend, SupportsStore):
        return backend.store(f"{epoch}/{generation}")
    shared = siblings or siblings_of(backend, f"the store of round {generation}")
    return RegisterStore(shared, epoch, generation, owns=siblings is None)


def release(port: object) -> None:
    """Close what one of these functions built; a backend's own capability is closed with the backend."""
    if isinstance(port, (PollingWatch, RegisterMembership, RegisterStore)):
        port.close()

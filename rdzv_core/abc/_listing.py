"""The capability to list the registers that a store holds."""

from __future__ import annotations

from abc import ABC, abstractmethod


class SupportsListing(ABC):
    """A backend that can list the keys of its store: by them `rdzv runs` finds the runs."""

    @abstractmethod
    def list_keys(self) -> list[str]:
        """Return the key of every register that holds a state, of this run and of all others, in any order.

        The keys are those of `RendezvousParameters.key`. Raises `RendezvousConnectionError` when the store is out of
        reach or closed.
        """

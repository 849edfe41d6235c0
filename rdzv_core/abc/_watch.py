"""The capability to wait for a change instead of polling for it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rdzv_core.abc._backend import StateSnapshot, Token


class SupportsWatch(ABC):
    """A backend whose register can be waited on."""

    @abstractmethod
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        """Wait until the state's token differs from `token`, at most `timeout` seconds.

        Returns at once if it already differs; None waits until there is a state. Deletion is a change, given as
        `(True, None)`. Returns `(changed, snapshot)`, the snapshot being what the register held when the wait ended;
        after a timeout, `(False, snapshot)`. No change that happened after `token` was read is ever missed, but two
        quick changes may be seen as one.

        Raises `RendezvousConnectionError` when the store is lost or the instance is closed meanwhile, and
        `RendezvousStateError` when what is stored cannot be read.
        """

"""The capability to delete a register."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rdzv_core.abc._backend import Token


class SupportsDelete(ABC):
    """A backend that can remove its register, for clean-up and for `rdzv reset`."""

    @abstractmethod
    def delete_state(self, token: Token | None = None) -> bool:
        """Delete the register if it still has `token`; None deletes whatever is there, corrupt or not.

        Returns True if it is gone by this call, False if there was nothing or the token was not the current one. A
        token used before the deletion is never valid again.
        """

    def delete_leftovers(self) -> None:
        """Delete what the store keeps of the run besides registers: memberships, and stores of rounds.

        `rdzv reset` calls it once no node of the run is there, on the run's own register; memberships that still run
        end. By default it does nothing, for a store that forgets them by itself.
        """
        return

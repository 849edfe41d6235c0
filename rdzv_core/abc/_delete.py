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

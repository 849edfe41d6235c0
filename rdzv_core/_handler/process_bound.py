"""What belongs to the process that made it: in a forked child any lock may be held by a thread that is not there."""

from __future__ import annotations

import os

from rdzv_core._errors import RendezvousError


class Owner:
    """The process in which this object was made."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self._pid

    def check(self) -> None:
        """Raise `RendezvousError` in any other process; take no lock."""
        if not self.is_here:
            raise RendezvousError(
                f"this handler was made in process {self._pid}, before a fork: what it gives cannot be used in process "
                f"{os.getpid()}; create a handler in each process, or pass on what the child needs before the fork"
            )

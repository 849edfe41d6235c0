"""A handler is of use in one process, until it is closed: what is said after a fork, and after `close`."""

from __future__ import annotations

import os

from rdzv_core._errors import RendezvousConnectionError, RendezvousError


def closed_error() -> RendezvousConnectionError:
    """Return what every call on a closed handler raises."""
    return RendezvousConnectionError("this handler is closed: create another one")


class Owner:
    """The process in which this object was made: in a forked child any lock may be held by a thread that is gone."""

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

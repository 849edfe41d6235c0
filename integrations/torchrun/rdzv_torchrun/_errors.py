"""rdzv's errors as torch's: what a program around torchrun catches are torch's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError, DistNetworkError, DistStoreError
from torch.distributed.elastic import rendezvous as torch_rendezvous

import rdzv_core

_RENDEZVOUS = (
    (rdzv_core.RendezvousClosedError, torch_rendezvous.RendezvousClosedError),
    (rdzv_core.RendezvousTimeoutError, torch_rendezvous.RendezvousTimeoutError),
    (rdzv_core.RendezvousConnectionError, torch_rendezvous.RendezvousConnectionError),
    (rdzv_core.RendezvousStateError, torch_rendezvous.RendezvousStateError),
    (rdzv_core.RendezvousGracefulExitError, torch_rendezvous.RendezvousGracefulExitError),
    (rdzv_core.RendezvousError, torch_rendezvous.RendezvousError),
)

_STORE = (
    (rdzv_core.RendezvousConnectionError, DistNetworkError),
    (rdzv_core.RendezvousError, DistStoreError),
)


@contextmanager
def rendezvous_errors() -> Iterator[None]:
    """Raise what rdzv raises as torch's error of the same name, rdzv's chained.

    A `ValueError`, and an unknown backend is one, stays what it is, as in torch.
    """
    try:
        yield
    except rdzv_core.RendezvousError as error:
        if isinstance(error, ValueError):
            raise
        raise next(theirs for ours, theirs in _RENDEZVOUS if isinstance(error, ours))(str(error)) from error


def store_error(error: rdzv_core.RendezvousError) -> DistError:
    """Return what torch's stores raise in its place: the agent's barriers catch that."""
    theirs: DistError = next(theirs for ours, theirs in _STORE if isinstance(error, ours))(str(error))
    return theirs

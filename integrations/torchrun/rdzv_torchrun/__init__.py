"""rdzv as a rendezvous backend of PyTorch's torchrun: `torchrun --rdzv-backend=rdzv …`.

torch finds `handler_creator` by its entry point. It imports this package whenever `torch.distributed.elastic` is
imported, in every worker too, so nothing but names is defined here: torch and rdzv_core are imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.distributed.elastic.rendezvous import RendezvousParameters

    from rdzv_torchrun._handler import TorchrunHandler

__version__ = "0.1.0"

__all__ = ["BACKEND", "TorchrunHandler", "create_handler", "handler_creator"]

BACKEND = "rdzv"
"""The name for `--rdzv-backend`."""


def handler_creator() -> Callable[[RendezvousParameters], TorchrunHandler]:
    """Return what makes a handler: this is what torch's entry point `torchrun.handlers` loads and calls."""
    return create_handler


def create_handler(params: RendezvousParameters) -> TorchrunHandler:
    """Return a handler for torch's elastic agent from torch's own parameters.

    `params.config` takes every option of rdzv's handler and of the chosen store beside `store`, the store's name
    (default: tcp). A store that cannot be reached yet is no error: the first `next_rendezvous` goes on trying.

    Raises `ImportError` where torch is missing or not one that this package knows, `ValueError` for an unknown option
    or a bad value, and torch's `RendezvousError` for what else is wrong.
    """
    from rdzv_torchrun._torch import check_torch

    check_torch()
    from rdzv_torchrun._handler import create

    return create(params)


def __getattr__(name: str) -> Any:
    if name != "TorchrunHandler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rdzv_torchrun._torch import check_torch

    check_torch()
    from rdzv_torchrun._handler import TorchrunHandler

    return TorchrunHandler

"""Whether there is a torch, and one that this package was written for."""

from __future__ import annotations

from importlib import import_module

OLDEST = "2.5"

_NEEDED = {
    "torch.distributed": ("DistError", "DistNetworkError", "DistStoreError", "Store"),
    "torch.distributed.elastic.multiprocessing": ("SignalException",),
    "torch.distributed.elastic.rendezvous": (
        "RendezvousClosedError",
        "RendezvousConnectionError",
        "RendezvousError",
        "RendezvousGracefulExitError",
        "RendezvousHandler",
        "RendezvousInfo",
        "RendezvousParameters",
        "RendezvousStateError",
        "RendezvousStoreInfo",
        "RendezvousTimeoutError",
    ),
}

_IMPLEMENTED = {
    "get_backend",
    "get_run_id",
    "is_closed",
    "next_rendezvous",
    "num_nodes_waiting",
    "set_closed",
    "shutdown",
    "use_agent_store",
}


def check_torch() -> None:
    """Raise `ImportError`, saying what is wrong and what to do, unless torch has all that is used of it here."""
    try:
        version = str(getattr(import_module("torch"), "__version__", "unknown"))
    except ImportError as error:
        raise ImportError(
            f"rdzv_torchrun needs torch {OLDEST} or later in the same environment: run `pip install torch` ({error})"
        ) from error
    if lacking := sorted(_lacking()):
        raise ImportError(
            f"rdzv_torchrun cannot work with torch {version}, which lacks {', '.join(lacking)}: install torch {OLDEST} "
            "or later"
        )
    if unknown := sorted(_abstract() - _IMPLEMENTED):
        raise ImportError(
            f"rdzv_torchrun cannot work with torch {version}, whose handlers must implement {', '.join(unknown)} too: "
            "install a newer rdzv-torchrun, or an older torch"
        )


def _lacking() -> list[str]:
    lacking: list[str] = []
    for module, names in _NEEDED.items():
        try:
            found = import_module(module)
        except ImportError:
            lacking.append(module)
        else:
            lacking += [f"{module}.{name}" for name in names if not hasattr(found, name)]
    return lacking


def _abstract() -> set[str]:
    handler = import_module("torch.distributed.elastic.rendezvous").RendezvousHandler
    return set(getattr(handler, "__abstractmethods__", ()))

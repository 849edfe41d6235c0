"""The published suite that certifies any rdzv backend, in this tree or out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdzv_conformance._backend_conformance import BackendConformance
    from rdzv_conformance._mixin import RendezvousBackendTestMixin

__version__ = "0.1.0"

__all__ = ["BackendConformance", "RendezvousBackendTestMixin"]

# pytest imports this package at every start, wherever it is installed: nothing is loaded before it is asked for.
_LAZY = {
    "BackendConformance": "rdzv_conformance._backend_conformance",
    "RendezvousBackendTestMixin": "rdzv_conformance._mixin",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)

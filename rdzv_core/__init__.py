"""How the processes of an elastic job find each other, over a store chosen by name.

A job author needs `RendezvousParameters` and `create_handler`; a backend author `RendezvousBackend` and
`RendezvousParameters`. They are in this package itself, and so is every error. The other public modules are

- for everybody: `aio` (the handler for asyncio), `inspection` (a run seen from outside), `events` and `hooks` (what
  plugins hear and say), `registry` (which backends there are), `memory` (a backend for tests), `compat` (PyTorch's
  names);
- for backends: `abc` (the contract), `authoring` (what their authors would else each write again), `options`,
  `endpoint` and `addresses` (reading what a job's author gave), `envelope` (a header that makes a write's token
  unique), `validation`, `backoff`, `clock`, `checking` (a check of a store that a backend offers), `submitting`
  (telling what may raise how a call ended), `forking` (a library with locks of its own).

What they list in `__all__` is documented and kept. Everything else has an underscore in its path, and may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rdzv_core._errors import (
    BackendConflictError,
    BackendLoadError,
    BackendNotFoundError,
    RendezvousClosedError,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousError,
    RendezvousGracefulExitError,
    RendezvousRoundOverError,
    RendezvousStateError,
    RendezvousTimeoutError,
)
from rdzv_core._keys import register_key
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import (
    CONTRACT_VERSION,
    Member,
    MemberLease,
    MembersView,
    RendezvousBackend,
    SetStateResult,
    StateSnapshot,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
    Token,
)
from rdzv_core.options import Option, accepts_options
from rdzv_core.registry import BackendRegistry, default_registry, register_backend

if TYPE_CHECKING:
    from rdzv_core._create import create_backend, create_handler
    from rdzv_core._handler import Change, ChangeReason, RendezvousHandler, RendezvousInfo

# The handler brings msgspec, pluggy and threads: it is imported when first asked for, so that a program which only
# looks at parameters or writes a backend starts fast.
_LAZY = {
    "create_backend": "rdzv_core._create",
    "create_handler": "rdzv_core._create",
    "Change": "rdzv_core._handler",
    "ChangeReason": "rdzv_core._handler",
    "RendezvousHandler": "rdzv_core._handler",
    "RendezvousInfo": "rdzv_core._handler",
}

__version__ = "0.1.0"

__all__ = [
    "CONTRACT_VERSION",
    "BackendConflictError",
    "BackendLoadError",
    "BackendNotFoundError",
    "BackendRegistry",
    "Change",
    "ChangeReason",
    "Member",
    "MemberLease",
    "MembersView",
    "Option",
    "RendezvousBackend",
    "RendezvousClosedError",
    "RendezvousConfigurationError",
    "RendezvousConnectionError",
    "RendezvousError",
    "RendezvousGracefulExitError",
    "RendezvousHandler",
    "RendezvousInfo",
    "RendezvousParameters",
    "RendezvousRoundOverError",
    "RendezvousStateError",
    "RendezvousTimeoutError",
    "SetStateResult",
    "StateSnapshot",
    "Store",
    "SupportsDelete",
    "SupportsListing",
    "SupportsMembership",
    "SupportsStore",
    "SupportsSubmit",
    "SupportsWatch",
    "Token",
    "accepts_options",
    "create_backend",
    "create_handler",
    "default_registry",
    "register_backend",
    "register_key",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)

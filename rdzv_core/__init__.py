"""How the processes of an elastic job find each other, over a store chosen by name.

A job author needs `RendezvousParameters` and `create_handler`; a backend author `RendezvousBackend` and
`RendezvousParameters`. Everything public is named here or in `abc`, `options`, `envelope`, `endpoint`, `registry`.
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
from rdzv_core.registry import BackendRegistry

if TYPE_CHECKING:
    from rdzv_core._create import create_backend, create_handler, register_backend
    from rdzv_core._handler import Change, ChangeReason, RendezvousHandler, RendezvousInfo

# The handler brings msgspec, pluggy and threads: it is imported when first asked for, so that a program which only
# looks at parameters or writes a backend starts fast.
_LAZY = {
    "create_backend": "rdzv_core._create",
    "create_handler": "rdzv_core._create",
    "register_backend": "rdzv_core._create",
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
    "register_backend",
    "register_key",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)

"""From parameters to a backend, and to a handler on it, with the environment's registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import RendezvousBackend
from rdzv_core.registry import BackendFactory, BackendRegistry

if TYPE_CHECKING:
    from rdzv_core.handler import RendezvousHandler

_environment = BackendRegistry()


def register(name: str, factory: BackendFactory) -> None:
    """Add a backend for this process; see `BackendRegistry.register`."""
    _environment.register(name, factory)


def create_backend(params: RendezvousParameters, registry: BackendRegistry | None = None) -> RendezvousBackend:
    """Create the backend that `params` name, found among the installed distributions; the caller closes it.

    The handler's options are accepted beside the backend's own and ignored here. Raises what
    `BackendRegistry.create` raises.
    """
    from rdzv_core.handler.settings import HANDLER_OPTIONS

    return (registry or _environment).create(params, HANDLER_OPTIONS)


def create_handler(params: RendezvousParameters, registry: BackendRegistry | None = None) -> RendezvousHandler:
    """Create a handler, and its backend, from `params`; its `shutdown` or its context's exit releases both.

    Raises what `create_backend` raises, and `ValueError` for a bad handler option, before anything is created.
    """
    from rdzv_core.handler import RendezvousHandler
    from rdzv_core.handler.settings import HandlerSettings

    settings = HandlerSettings.from_params(params)
    backend = create_backend(params, registry)
    try:
        return RendezvousHandler(backend, params, settings)
    except BaseException:
        backend.close()
        raise

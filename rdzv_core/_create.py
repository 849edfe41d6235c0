"""From parameters to a backend, and to a handler on it, with the environment's registry and plugins.

The plugins are asked for parameter defaults once, by `with_defaults`; everything behind it gets completed parameters.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rdzv_core._backend_names import normalize
from rdzv_core._parameters import RendezvousParameters
from rdzv_core._secrets import overlaid
from rdzv_core.abc import RendezvousBackend
from rdzv_core.compat import resolve_alias
from rdzv_core.registry import BackendRegistry, default_registry

if TYPE_CHECKING:
    from rdzv_core._handler import RendezvousHandler
    from rdzv_core.hooks import Hooks

FIRST_ATTEMPT_SECONDS = 2.0
"""How long `create_handler` waits for the store; an error that waiting cannot fix is mostly raised within that time."""


def create_backend(
    params: RendezvousParameters, registry: BackendRegistry | None = None, hooks: Hooks | None = None
) -> RendezvousBackend:
    """Create the backend that `params` name, found among the installed distributions; the caller closes it.

    Options that were not given are taken from the plugins' parameter defaults. The handler's options are accepted
    beside the backend's own and ignored here. Raises what `BackendRegistry.create` raises.
    """
    from rdzv_core.hooks import Hooks

    return _open_backend(with_defaults(params, hooks or Hooks()), registry)


def create_handler(
    params: RendezvousParameters, registry: BackendRegistry | None = None, hooks: Hooks | None = None
) -> RendezvousHandler:
    """Create a handler, and its backend, from `params`; its `shutdown` or its context's exit releases both.

    `hooks` are the plugins that are listened to (default: the installed ones). A store that cannot be reached yet is
    not an error: after two seconds the handler is returned, and its first `next_rendezvous` keeps trying. Otherwise
    raises what `create_backend` raises, and `ValueError` for a bad handler option, before anything is created.
    """
    from rdzv_core.hooks import Hooks

    hooks = hooks or Hooks()
    return open_handler(with_defaults(params, hooks), hooks, registry)


def open_handler(
    params: RendezvousParameters, hooks: Hooks, registry: BackendRegistry | None = None
) -> RendezvousHandler:
    """Do as `create_handler` does, with parameters that have the plugins' defaults."""
    from rdzv_core._handler import RendezvousHandler
    from rdzv_core._handler.opening import Opening
    from rdzv_core._handler.settings import HandlerSettings

    settings = replace(HandlerSettings.from_params(params), came=int(time.time()))
    opening = Opening(lambda: _open_backend(params, registry))
    backend = opening.first(FIRST_ATTEMPT_SECONDS)
    try:
        return RendezvousHandler(opening if backend is None else backend, params, settings, hooks)
    except BaseException:
        opening.cancel()
        if backend is not None:
            backend.close()
        raise


def with_defaults(params: RendezvousParameters, hooks: Hooks) -> RendezvousParameters:
    """Return `params` with the plugins' defaults for whatever they leave open. Asks each plugin once."""
    resolved = resolve_alias(params)
    defaults = hooks.defaults(normalize(resolved.backend.rpartition(":")[2]))
    return resolved.with_backend(resolved.backend, **overlaid(defaults, resolved.config)) if defaults else params


def _open_backend(params: RendezvousParameters, registry: BackendRegistry | None) -> RendezvousBackend:
    from rdzv_core._handler.settings import HANDLER_OPTIONS

    return (registry or default_registry()).create(params, HANDLER_OPTIONS)

"""The registry of this process, in which `create_backend` and `create_handler` look a backend up."""

from __future__ import annotations

from rdzv_core.registry._loading import BackendFactory
from rdzv_core.registry._registry import BackendRegistry

_default = BackendRegistry()


def default_registry() -> BackendRegistry:
    """Return the registry that is used where none is given: the installed backends, and those registered here."""
    return _default


def register_backend(name: str, factory: BackendFactory) -> None:
    """Add a backend to the default registry, for this process; see `BackendRegistry.register`."""
    _default.register(name, factory)

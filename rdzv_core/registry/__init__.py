"""Finding a backend by name among the installed distributions, and creating it."""

from rdzv_core._backend_names import normalize
from rdzv_core.registry._default import default_registry, register_backend
from rdzv_core.registry._entry_points import entry_points
from rdzv_core.registry._listing import GROUP, BackendInfo
from rdzv_core.registry._loading import BackendFactory
from rdzv_core.registry._registry import BackendRegistry

__all__ = [
    "GROUP",
    "BackendFactory",
    "BackendInfo",
    "BackendRegistry",
    "default_registry",
    "entry_points",
    "normalize",
    "register_backend",
]

"""Finding a backend by name among the installed distributions, and creating it."""

from rdzv_core.registry._aliases import explain_alias, resolve_alias, resolved_name
from rdzv_core.registry._entry_points import entry_points
from rdzv_core.registry._listing import GROUP, BackendInfo
from rdzv_core.registry._loading import BackendFactory
from rdzv_core.registry._names import normalize
from rdzv_core.registry._registry import BackendRegistry

__all__ = [
    "GROUP",
    "BackendFactory",
    "BackendInfo",
    "BackendRegistry",
    "entry_points",
    "explain_alias",
    "normalize",
    "resolve_alias",
    "resolved_name",
]

"""What is known of a backend from metadata: nothing is imported here."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rdzv_core._backend_names import normalize
from rdzv_core.registry._entry_points import headers

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

GROUP = "rdzv_core.backends"
"""The entry point group of backends."""


@dataclass(frozen=True)
class BackendInfo:
    """One installed backend: its name, the distribution and version that provide it, and what will be imported."""

    name: str
    distribution: str
    version: str
    target: str
    summary: str = ""
    """The distribution's summary."""


def info_of(point: EntryPoint) -> BackendInfo:
    """Return what is known of an entry point; what its distribution does not say is empty."""
    distribution: Any = point.dist
    name, version, summary = _described(distribution)
    return BackendInfo(normalize(point.name), name or "(unknown distribution)", version, point.value, summary)


def infos_of(points: Iterable[EntryPoint]) -> list[BackendInfo]:
    """Return what is known of each."""
    return [info_of(point) for point in points]


@functools.lru_cache(maxsize=256)
def _described(distribution: Any) -> tuple[str, str, str]:
    try:
        told = headers(distribution)
    except Exception:  # noqa: BLE001 - no distribution, or metadata that cannot be read, tells nothing, and harms nothing
        told = {}
    return told.get("name", ""), told.get("version", ""), told.get("summary", "")

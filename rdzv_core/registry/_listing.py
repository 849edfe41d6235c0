"""What is installed, as far as metadata tells: nothing is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rdzv_core.registry._names import normalize

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


def installed(group: str = GROUP) -> list[EntryPoint]:
    """Give the environment's entry points; a distribution whose metadata can not be read hides only its own."""
    import importlib_metadata

    try:
        return list(importlib_metadata.entry_points(group=group))
    except Exception:  # noqa: BLE001 - one torn entry_points.txt fails the look-up of all, in whatever way it is torn
        return _readable(group)


def _readable(group: str) -> list[EntryPoint]:
    import importlib_metadata

    found: dict[str, list[EntryPoint]] = {}
    for distribution in importlib_metadata.distributions():
        try:
            name, points = normalize(distribution.name), list(distribution.entry_points.select(group=group))
        except Exception:  # noqa: BLE001, S112 - as above: this is the one that is torn
            continue
        found.setdefault(name, points)  # as in an import, the first on the path hides the others of its name
    return [point for points in found.values() for point in points]


def info_of(point: EntryPoint) -> BackendInfo:
    """Say what is known of an entry point; what its distribution does not tell is left open."""
    name, version = None, None
    if point.dist is not None:
        try:
            name, version = point.dist.name, point.dist.version
        except Exception:  # noqa: BLE001, S110 - metadata that can not be read says nothing, and harms nothing
            pass
    return BackendInfo(normalize(point.name), name or "(unknown distribution)", version or "", point.value)


def infos_of(points: Iterable[EntryPoint]) -> list[BackendInfo]:
    """Say what is known of each."""
    return [info_of(point) for point in points]

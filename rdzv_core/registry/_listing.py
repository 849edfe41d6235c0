"""What is known of a backend without importing it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BackendInfo:
    """One installed backend: its name, the distribution and version that provide it, and what will be imported."""

    name: str
    distribution: str
    version: str
    target: str

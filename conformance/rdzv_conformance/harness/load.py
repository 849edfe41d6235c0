"""How busy this machine is: whatever else runs on it, a sound backend is not to be called broken."""

from __future__ import annotations

import os

BUSY = 4.0
"""Processes that wait for each processor from which on everything takes longer."""
MOST = 4.0


def slowness() -> float:
    """Return how many times as long as usual something may take now: 1 on a machine with little to do, at most 4."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # a system that does not tell
        return 1.0
    return min(max(1.0, load / (os.cpu_count() or 1) / BUSY), MOST)

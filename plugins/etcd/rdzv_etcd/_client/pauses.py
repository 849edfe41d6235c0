"""How long to pause before etcd is asked again."""

from __future__ import annotations

from rdzv_core.backoff import Backoff


def retry_pause() -> float:
    """Return 50 to 150 ms, in seconds. It does not grow: each caller has a deadline, and an election lasts a second."""
    return Backoff(0.15, 0.15, jitter=2 / 3).next()

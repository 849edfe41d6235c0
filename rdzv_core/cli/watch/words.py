"""A run in words: the same for `rdzv status`, `rdzv explain` and `rdzv status --watch`. Pure."""

from __future__ import annotations

from rdzv_core.inspection import RunStatus

NOT_THERE = "check --run-id and --endpoint; it appears when its first node joins"
"""What to do where there is no such run."""

FORMS = ("forming", "last call")
"""The phases in which the next round is made: it is the one after the last, the first being round 1."""

_STANDS = {
    "idle": "idle after round {0}",
    "forming": "forming round {1}",
    "last call": "last call for round {1}",
    "working": "working in round {0}",
    "closed": "closed after round {0}",
}


def standing(status: RunStatus) -> str:
    """Say how a run that exists stands: its phase, and the round that the phase is about."""
    return f"{_STANDS[status.phase].format(status.round, status.round + 1)} of epoch {status.epoch}"


def place(backend: str, endpoint: str) -> str:
    """Say which store it is, as it was given: the endpoint may be empty."""
    return f"{backend} at {endpoint!r}"


def span(seconds: float) -> str:
    """Give a time as somebody would say it: 7 s, 3 min 20 s, 2 h 5 min."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

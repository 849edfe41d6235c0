"""What the tests of `rdzv run` wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 60


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until `holds` does; fail with `what` after a minute."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.01)


def runs(process: int) -> bool:
    """Return whether a process is there, and not only its exit status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False

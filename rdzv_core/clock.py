"""The one clock that leases and timers use."""

from __future__ import annotations

import time

__all__ = ["now"]

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Seconds on a clock that never jumps and keeps running while the machine is suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:  # macOS: its monotonic clock stands still while suspended; docs/fault-model.md says what that costs

    def now() -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

"""Threads, of which a system may refuse a process another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rdzv_tcp._client.errors import Rejected


def start_thread(name: str, body: Callable[..., None], *arguments: Any) -> None:
    """Run `body` on a daemon thread. Raises `Rejected`, and nothing runs then."""
    try:
        threading.Thread(target=body, args=arguments, name=name, daemon=True).start()
    except RuntimeError as error:
        raise Rejected(
            f"the system refused this process a thread ({error}): see how many it may have (ulimit -u, pids.max)",
            lasting=False,
        ) from error

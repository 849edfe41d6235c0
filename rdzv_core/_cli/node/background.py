"""Threads that wait for one thing and report it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_background(name: str, wait: Callable[[], T], report: Callable[[T | Exception], None]) -> None:
    """Have `report` called, on a thread of its own, with what `wait` returns there, or with the error it raises."""

    def run() -> None:
        try:
            outcome: T | Exception = wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, the report is what its reader decides by
            outcome = error
        report(outcome)

    threading.Thread(target=run, name=name, daemon=True).start()

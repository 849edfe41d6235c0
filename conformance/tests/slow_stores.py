"""Sound stores that are slow: in this process, and shared by processes; each call on the store takes its time.

By hand, for the whole suite (minutes each):

    python conformance/tests/slow_stores.py slow-memory-30 slow-memory-300 slow-sqlite-30 slow-sqlite-300
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from rdzv_conformance.mutants._memory import SoundAndSlow
from rdzv_sqlite import SqliteBackend

from rdzv_core import RendezvousParameters, register_backend

_jitter = random.Random()


class SlowMemory(SoundAndSlow):
    """All capabilities; `SECONDS` a call, up to half more or less at random, and no call holds up another."""

    def seconds(self) -> float:
        return _about(self.SECONDS)


class SlowSqlite(SqliteBackend):
    """A register that processes share; `SECONDS` for each of the one or two statements of a call."""

    SECONDS = 0.03

    def __init__(self, params: RendezvousParameters) -> None:
        self.name = params.backend
        super().__init__(params)

    def read(self) -> tuple[bytes, bytes] | None:
        self.current_call().pause(_about(self.SECONDS))
        return super().read()

    def write_if(self, raw: bytes, version: bytes | None) -> bool:
        self.current_call().pause(_about(self.SECONDS))
        return super().write_if(raw, version)

    def delete_if(self, version: bytes) -> bool:
        self.current_call().pause(_about(self.SECONDS))
        return super().delete_if(version)


def _about(seconds: float) -> float:
    return seconds * _jitter.uniform(0.5, 1.5)


def install() -> None:
    """Register each with 30 and with 300 ms a call."""
    for milliseconds in (30, 300):
        seconds = {"SECONDS": milliseconds / 1000}
        register_backend(f"slow-memory-{milliseconds}", type("SlowMemory", (SlowMemory,), seconds).from_params)
        register_backend(f"slow-sqlite-{milliseconds}", type("SlowSqlite", (SlowSqlite,), seconds))


def main() -> None:
    """Certify those that are named."""
    from rdzv_conformance.run.certify import certify

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="rdzv-slow-") as folder:
            report = certify(name, str(Path(folder) / "db"), {}, preload=("slow_stores:install",), jobs=4)
        print(f"{name}: {report.verdict} in {report.seconds:.0f} s", flush=True)
        for clause in report.clauses:
            if clause.status in ("fail", "error"):
                print(f"  {clause.clause} {clause.status}: {clause.message}", flush=True)


if __name__ == "__main__":
    main()

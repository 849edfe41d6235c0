"""Whether an installed backend can be imported: tried in a process of its own, so that nothing here is touched.

A plugin whose import raises, hangs, prints, or ends the process shows as broken, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rdzv_core._errors import RendezvousError
from rdzv_core.registry import BackendInfo, default_registry

IMPORT_TIMEOUT = 20.0
"""Seconds that a backend's import may take before it counts as broken."""

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from rdzv_core._cli import probe; probe.child()"


def import_errors(backends: Sequence[BackendInfo], timeout: float = IMPORT_TIMEOUT) -> list[str | None]:
    """Return why it cannot be imported for each of `backends`, or None if it can."""
    with ThreadPoolExecutor(max_workers=max(1, min(len(backends), os.cpu_count() or 1))) as pool:
        return list(pool.map(lambda info: _import_error(selector(info), timeout), backends))


def selector(info: BackendInfo) -> str:
    """Return what selects exactly this backend, even where two distributions claim its name."""
    return info.name if info.distribution.startswith("(") else f"{info.distribution}:{info.name}"


def child() -> None:
    """The other process: import one backend, and say on stdout how that went, whatever else the import prints."""
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        default_registry().load(sys.argv[2])
        reason = None
    except RendezvousError as error:
        cause = error.__cause__
        reason = f"{type(cause).__name__}: {cause}" if cause else str(error)
    os.write(answers, json.dumps({"reason": reason}).encode())


def _import_error(name: str, timeout: float) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", _CHILD, json.dumps(sys.path), name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its import did not end within {timeout:g} s"
    try:
        reason: str | None = json.loads(done.stdout)["reason"]
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return f"its import ended the process, with status {done.returncode}{f': {last}' if last else ''}"
    return reason

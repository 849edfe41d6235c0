"""What `rdzv certify` says of a backend."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

_EVERY = 10


@dataclass(frozen=True)
class Certificate:
    """The verdict, and how many clauses passed of those that the backend claims."""

    certified: bool
    passed: int
    untested: int
    total: int
    broken: tuple[str, ...]


def certify(backend: str, endpoint: str, tell: Callable[[str], None]) -> Certificate:
    """Run `rdzv certify`; raises `RuntimeError` if it could not run."""
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "rdzv_core", "certify", backend, "--endpoint", endpoint, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # It prints the report at its end, so reading its progress first can not fill the other pipe.
        for line in process.stderr:
            lines.append(line.rstrip())
            if len(lines) % _EVERY == 0:
                tell(f"certify {line.rstrip()}")
        answer = process.stdout.read()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"`rdzv certify {backend}` could not run: {' / '.join(lines[-3:])}")
    report = json.loads(answer)
    statuses = [clause["status"] for clause in report["clauses"]]
    broken = tuple(
        f"{clause['clause']} {clause['status']}: {clause['message']}"
        for clause in report["clauses"]
        if clause["status"] in ("fail", "error")
    )
    counted = len(statuses) - statuses.count("unsupported")
    return Certificate(report["certified"], statuses.count("pass"), statuses.count("untested"), counted, broken)

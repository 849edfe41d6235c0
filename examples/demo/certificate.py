"""Run `rdzv certify` on a backend."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

_EVERY = 10


@dataclass(frozen=True)
class Certificate:
    """The verdict, and how many of the clauses that apply to the backend passed."""

    certified: bool
    passed: int
    untested: int
    total: int
    broken: tuple[str, ...]


def certify(backend: str, endpoint: str, tell: Callable[[str], None]) -> Certificate:
    """Run `rdzv certify` for the profile core; raise `RuntimeError` if it could not run."""
    lines: list[str] = []
    command = [sys.executable, "-m", "rdzv_core", "certify", backend, "--endpoint", endpoint]
    # The report goes to a file: a pipe that nobody reads while the progress is read would block it.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as report_file,
        subprocess.Popen(  # noqa: S603 - our own program
            [*command, "--profile", "core", "--json"], stdout=report_file, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())
            if len(lines) % _EVERY == 0:
                tell(f"certify {line.rstrip()}")
        process.wait()
        report_file.seek(0)
        answer = report_file.read()
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

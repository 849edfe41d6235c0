"""Run the demo: `python -m examples.demo [BACKEND…]`."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from examples.demo.certificate import Certificate, certify
from examples.demo.job import DemoError, Outcome, run_job
from examples.demo.stores import STORES
from rdzv_core import BackendRegistry, RendezvousError


@dataclass(frozen=True)
class Row:
    """The results of one backend; `failure` is empty if everything worked."""

    backend: str
    outcome: Outcome | None = None
    certificate: Certificate | None = None
    failure: str = ""


def main(wanted: list[str]) -> int:
    """Run the demo on the backends `wanted`, by default on all four; return 0 only if everything worked."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)  # a log: no cell of the table needs to be folded
    began = time.monotonic()
    installed = {info.name for info in BackendRegistry().list()}
    console.print(f"installed backends: {', '.join(sorted(installed))}", style="bold")
    one_job = threading.Lock()

    def show(backend: str) -> Row:
        def tell(text: str) -> None:
            console.print(f"{time.monotonic() - began:6.2f} s  {backend:<6}  {text}", markup=False, soft_wrap=True)

        missing = backend not in installed or backend not in STORES
        return Row(backend, failure="not installed") if missing else _show(backend, one_job, tell)

    # One job after the other; a store's certificate, which mostly waits, runs beside the next store's job.
    with ThreadPoolExecutor(len(STORES)) as pool:
        rows = list(pool.map(show, wanted or STORES))
    console.print(_table(rows))
    for row in rows:
        if row.failure:
            console.print(f"{row.backend}: {row.failure}", style="red", markup=False)
    console.print(f"in {time.monotonic() - began:.0f} s")
    return 1 if any(row.failure for row in rows) else 0


def _show(backend: str, one_job: threading.Lock, tell: Callable[[str], None]) -> Row:
    outcome = certificate = None
    with tempfile.TemporaryDirectory(prefix="rdzv-demo-") as temporary:
        directory = Path(temporary)
        try:
            with STORES[backend](directory) as endpoint:
                with one_job:
                    outcome = run_job(backend, endpoint, directory, tell)
                certificate = certify(backend, endpoint, tell)
        except (DemoError, RendezvousError, RuntimeError, OSError) as error:
            return Row(backend, outcome, certificate, _with_logs(error, directory))
    return Row(backend, outcome, certificate, _failure(outcome, certificate))


def _failure(outcome: Outcome, certificate: Certificate) -> str:
    if not outcome.same_roster:
        return "the nodes did not all get the same roster"
    if not certificate.certified:
        return "\n  ".join(["not certified", *certificate.broken])
    return ""


def _with_logs(error: Exception, directory: Path) -> str:
    logs = [f"  {log.name}: {line}" for log in directory.glob("*.log") for line in log.read_text().splitlines()[-6:]]
    return "\n".join([str(error), *logs])


def _table(rows: list[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("backend")
    for title in (
        "four-node round",
        "met again after the kill",
        "same roster everywhere",
        "clauses passed",
        "ok",
    ):
        table.add_column(title, justify="right")
    for row in rows:
        outcome, certificate = row.outcome, row.certificate
        table.add_row(
            row.backend,
            f"{outcome.first_round_ms:.0f} ms" if outcome else "-",
            f"{outcome.again_s:.1f} s" if outcome else "-",
            _yes(outcome.same_roster) if outcome else "-",
            _clauses(certificate) if certificate else "-",
            _yes(not row.failure),
        )
    return table


def _clauses(certificate: Certificate) -> str:
    untested = f", {certificate.untested} untested" if certificate.untested else ""
    return f"{certificate.passed} of {certificate.total}{untested}"


def _yes(holds: bool) -> str:
    return "[green]yes[/]" if holds else "[bold red]NO[/]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

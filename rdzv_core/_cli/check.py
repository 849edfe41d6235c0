"""`rdzv backends NAME --check ENDPOINT`: a backend's own check of a store, shown."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rdzv_core._cli.errors import FAILED
from rdzv_core._cli.output import show_json, show_table
from rdzv_core.checking import check_of
from rdzv_core.registry import BackendFactory


def run_check(name: str, factory: BackendFactory, endpoints: Sequence[str], as_json: bool) -> int:
    """Run the check that `factory` offers, show what it found and return the exit status."""
    check = check_of(factory)
    if check is None:
        raise click.UsageError(f"backend {name!r} offers no check; `rdzv certify` tests any backend on a real store")
    findings = list(check(endpoints))
    failed = [finding for finding in findings if not finding.passed]
    if as_json:
        tests = [{"test": one.subject, "passed": one.passed, "detail": one.detail} for one in findings]
        show_json({"name": name, "endpoints": list(endpoints), "fit": not failed, "tests": tests})
    else:
        rows = [[one.subject, "ok" if one.passed else "failed", one.detail] for one in findings]
        show_table(("test", "result", "what was seen"), rows, f"{name} at {' and '.join(endpoints)}")
        verdict = f"not fit: {len(failed)} of {len(findings)} tests failed" if failed else "fit: all tests passed"
        click.echo(f"\nverdict: {verdict}")
    return FAILED if failed else 0

"""From what a run of the suite found to a report, in which no secret is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from rdzv_conformance.run.capabilities import capabilities
from rdzv_conformance.run.conditions import conditions
from rdzv_conformance.run.findings import CREDENTIALS, HIDDEN, Findings, Secrets
from rdzv_conformance.run.provenance import examine
from rdzv_conformance.run.results import Report, Subject, Tested, by_clause
from rdzv_core import BackendRegistry
from rdzv_core.registry import normalize


def assemble(findings: Findings, seconds: float) -> Report:
    """Make the report of a run that has ended."""
    secrets = Secrets.of(findings)
    endpoint = findings.own if findings.endpoint is None else CREDENTIALS.sub(f"{HIDDEN}@", findings.endpoint)
    tested = _tested(findings)
    options = secrets.shown(findings.options)
    clauses = by_clause(findings.tests, findings.profiles)
    return Report(
        Subject(findings.backend, endpoint, tested[0].distribution, tested[0].version, options),
        findings.profiles,
        clauses,
        capabilities(findings.claims, clauses),
        conditions(clauses),
        findings.latency,
        findings.seed,
        _command(findings, endpoint, options),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        round(seconds, 1),
        tested,
    )


def _tested(findings: Findings) -> tuple[Tested, ...]:
    distribution, module = "", findings.module
    asked, _, plain = findings.backend.rpartition(":")
    for info in BackendRegistry().list():
        of_it = not asked or normalize(asked) == normalize(info.distribution)
        if info.name == normalize(plain) and of_it:
            distribution, module = info.distribution, info.target.partition(":")[0]
    return (
        examine("backend", distribution, module),
        examine("suite", "rdzv-conformance", "rdzv_conformance"),
        examine("core", "rdzv-core", "rdzv_core"),
    )


def _command(findings: Findings, endpoint: str, options: Mapping[str, str]) -> str:
    words = ["rdzv", "certify", findings.backend, *([] if findings.endpoint is None else ["--endpoint", endpoint])]
    words += ["--cluster"] if findings.cluster else []
    words += _each("--option", (f"{name}={value}" for name, value in options.items()))
    words += _each("--profile", findings.asked)
    return shlex.join([*words, "--seed", str(findings.seed)])


def _each(flag: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]

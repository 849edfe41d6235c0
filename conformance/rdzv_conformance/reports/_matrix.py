"""Several backends side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rdzv_conformance.contract.clauses import PROFILES
from rdzv_conformance.reports._text import in_markdown
from rdzv_conformance.run.capabilities import CAPABILITIES
from rdzv_conformance.run.results import Capability, Report, count

_TICK, _CROSS, _NONE = "yes", "NO", "-"
_NOTE = """Made by `rdzv certify` from runs of the suite; not written by hand. `yes`: claimed, and found to hold.
`NO`: claimed, and found broken. `-`: not claimed, or not possible there. `untested`: the suite was not given what it
needs."""


def matrix_rows(reports: Sequence[Report]) -> tuple[list[str], list[list[str]]]:
    """Return the columns' names and the rows: what each backend was found to be and to do."""
    columns = ["", *(each.subject.backend for each in reports)]
    rows = [["certified", *(_TICK if each.certified else _CROSS for each in reports)]]
    for profile in PROFILES:
        if any(profile in each.profiles for each in reports):
            rows.append([f"profile {profile}", *(_profile(each, profile) for each in reports)])
    for name in CAPABILITIES:
        rows.append([f"capability {name}", *(_capability(each, name) for each in reports)])
    conditions = {c.what: c.kind for each in reports for c in each.conditions}
    for what, kind in sorted(conditions.items(), key=lambda item: item[1] == "fault"):
        rows.append([f"{kind}: {what}", *(_condition(each, what) for each in reports)])
    for operation in dict.fromkeys(latency.operation for each in reports for latency in each.latency):
        rows.append([f"{operation}, median", *(_median(each, operation) for each in reports)])
    return columns, rows


def matrix_markdown(reports: Sequence[Report], links: Sequence[str] = ()) -> str:
    """Return the matrix as Markdown; `links` lead from the backends' names to their own reports."""
    columns, rows = matrix_rows(reports)
    heads = [in_markdown(name) for name in columns]
    heads[1:] = [f"[{name}]({link})" for name, link in zip(heads[1:], links, strict=True)] if links else heads[1:]
    first = reports[0]
    made_by = f"rdzv-conformance {first.suite_version}, contract {first.contract_version}"
    lines = [
        "# Backends compared",
        "",
        _NOTE,
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(in_markdown(cell) for cell in row)} |" for row in rows),
        "",
        *(f"- {in_markdown(each.subject.backend)}: {in_markdown(each.verdict)}" for each in reports),
        "",
        f"{in_markdown(first.python)} on {in_markdown(first.os)}, {in_markdown(first.machine)}; {made_by}.",
    ]
    return "\n".join(lines) + "\n"


def _profile(report: Report, profile: str) -> str:
    if profile not in report.profiles:
        return _NONE
    counts = count(each for each in report.clauses if each.profile == profile)
    counted = sum(counts.values()) - counts["unsupported"]
    return f"{_TICK if report.holds(profile) else _CROSS} ({counts['pass']} of {counted})"


def _capability(report: Report, name: str) -> str:
    found: Capability | None = next((each for each in report.capabilities if each.name == name), None)
    if found is None or not (found.claimed or found.found):
        return _NONE
    if not found.claimed:
        return "there, not claimed"
    return {True: _TICK, False: _CROSS, None: "untested"}[found.found]


def _condition(report: Report, what: str) -> str:
    status = next((each.status for each in report.conditions if each.what == what), "unsupported")
    return {"pass": _TICK, "fail": _CROSS, "unsupported": _NONE}.get(status, status)


def _median(report: Report, operation: str) -> str:
    return next((f"{each.median_ms:.3f} ms" for each in report.latency if each.operation == operation), _NONE)

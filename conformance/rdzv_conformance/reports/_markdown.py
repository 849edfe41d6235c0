"""The report as Markdown, for a repository's own pages."""

from __future__ import annotations

from collections.abc import Iterator

from rdzv_conformance.reports._html import MARKS
from rdzv_conformance.reports._text import in_markdown, lines, plain
from rdzv_conformance.run.results import ClauseResult, Report, count


def markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    of = f"{report.subject.distribution} {report.subject.version}".strip()
    yield f"# {in_markdown(report.subject.backend)}: {'certified' if report.certified else 'not certified'}"
    yield ""
    yield f"**{in_markdown(report.verdict)}**"
    yield ""
    yield f"{in_markdown(report.scope[:1].upper() + report.scope[1:])}."
    yield ""
    yield from _broken(report)
    yield "| profile | verdict | clauses |"
    yield "|---|---|---|"
    for profile in report.profiles:
        counts = count(each for each in report.clauses if each.profile == profile)
        said = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        yield f"| {profile} | {'holds' if report.holds(profile) else '**does not hold**'} | {said} |"
    yield from _capabilities(report)
    yield from _conditions(report)
    yield from _latency(report)
    yield "\n## Clauses\n"
    yield "| clause | status | what it says, or what was found |"
    yield "|---|---|---|"
    for each in report.clauses:
        yield f"| {each.clause} | {MARKS[each.status]} {each.status} | {_remark(each)} |"
    yield "\n## How to see it again\n"
    yield f"    {plain(report.command)}\n"
    yield f"{in_markdown(of or 'registered in code')} on {in_markdown(report.python)}, {in_markdown(report.os)}, "
    yield f"{in_markdown(report.machine)}; rdzv-conformance {report.suite_version}, rdzv-core {report.core_version}, "
    yield f"contract {report.contract_version}; made {report.made} in {report.seconds:.0f} s.\n"
    yield "| what was tested | files | SHA-256 over all |"
    yield "|---|---|---|"
    for tested in report.tested:
        name = f"{tested.role}: {tested.distribution or tested.module} {tested.version}".strip()
        yield f"| {in_markdown(name)} | {len(tested.files)} | `{tested.sha256}` |"


def _remark(each: ClauseResult) -> str:
    text = each.text.replace("|", "\\|")
    if each.status == "pass" and each.message:
        return f"{text} ({in_markdown(lines(each.message)[0])})"
    return in_markdown(lines(each.message)[0]) if each.message else text


def _broken(report: Report) -> Iterator[str]:
    for each in (*report.of("fail"), *report.of("error")):
        first, *drawn = lines(each.message)
        yield f"- **{each.clause}** {each.status}: {in_markdown(first)}"
        if drawn:
            yield "\n".join(["", *(f"      {line}" for line in drawn), ""])
    if report.of("fail") or report.of("error"):
        yield ""


def _capabilities(report: Report) -> Iterator[str]:
    if not report.capabilities:
        return
    yield "\n| capability | claimed | found | |"
    yield "|---|---|---|---|"
    for each in report.capabilities:
        found = {True: "true", False: "not there", None: "not tested"}[each.found]
        yield f"| {each.name} | {'yes' if each.claimed else 'no'} | {found} | {in_markdown(each.remark)} |"


def _conditions(report: Report) -> Iterator[str]:
    if not report.conditions:
        return
    yield "\n## Tried under\n"
    yield "The certificate speaks for these topologies and faults, and for no others.\n"
    for each in report.conditions:
        yield f"- {MARKS[each.status]} {each.what} ({each.clause}{'' if each.status == 'pass' else f', {each.status}'})"


def _latency(report: Report) -> Iterator[str]:
    if not report.latency:
        return
    yield "\n| call, one after the other, 64 bytes | median | 99th percentile |"
    yield "|---|---|---|"
    for each in report.latency:
        yield f"| `{each.operation}` | {each.median_ms:.3f} ms | {each.p99_ms:.3f} ms |"

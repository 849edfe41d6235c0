"""Holding a report against what is installed: is what was certified what would run here?"""

from __future__ import annotations

from collections.abc import Iterator

from rdzv_conformance.run.provenance import examine
from rdzv_conformance.run.results import Report, Tested
from rdzv_core import CONTRACT_VERSION

_SHOWN = 5


def verify(report: Report) -> list[str]:
    """Return what is different here, in words; nothing if the same files are installed that were certified."""
    differences = []
    if report.contract_version != CONTRACT_VERSION:
        differences.append(
            f"contract: version {report.contract_version} was tested, core here speaks {CONTRACT_VERSION}"
        )
    if not any(each.files for each in report.tested if each.role == "backend"):
        differences.append(f"backend {report.subject.backend!r}: the report holds no hash of its files")
    for each in report.tested:
        differences += _differences(each, examine(each.role, each.distribution, each.module))
    return differences


def _differences(then: Tested, now: Tested) -> Iterator[str]:
    who = f"{then.role} {then.distribution or then.module}"
    if then.files and not now.files:
        yield f"{who}: {then.version or 'what was tested'} is not installed here"
        return
    if then.version != now.version:
        yield f"{who}: {then.version or 'no version'} was tested, {now.version or 'no version'} is installed"
    changed = [path for path in then.files if path in now.files and now.files[path] != then.files[path]]
    missing = [path for path in then.files if path not in now.files]
    added = [path for path in now.files if path not in then.files]
    for paths, what in ((changed, "differs from what was tested"), (missing, "is not there"), (added, "is new")):
        for path in paths[:_SHOWN]:
            yield f"{who}: {path} {what}"
        if len(paths) > _SHOWN:
            yield f"{who}: {len(paths) - _SHOWN} further files of which each {what}"

"""The document `report.json`: a report as JSON, its schema, and reading it back."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from rdzv_conformance.run.results import REPORT_VERSION, Report

_TITLE = "A certificate of rdzv-conformance"


class UnreadableReportError(ValueError):
    """A file that is not a report of this version, or one that was changed by hand."""


def encode(report: Report) -> str:
    """Return the text of `report.json`; ASCII, whatever the backend said."""
    return json.dumps(report.as_dict(), indent=2) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `report.json`; it is shipped as `reports/schema.json`."""
    made = msgspec.json.schema(Report)
    document = made["$defs"].pop("Report")
    document["properties"] = {"verdict": {"type": "string"}, "certified": {"type": "boolean"}, **document["properties"]}
    document["properties"]["report_version"] = {"const": REPORT_VERSION}
    # What is not in the document was not found: a default of this program is not a finding.
    document["required"] = list(document["properties"])
    for each in (document, *made["$defs"].values()):
        # msgspec 0.22 leaves a docstring's indentation
        each["description"] = inspect.cleandoc(each.get("description", ""))
        each["required"] = list(each["properties"])
        for value in each["properties"].values():
            value.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": _TITLE,
        "description": "Written by `rdzv certify --report`.",
        "$defs": made["$defs"],
    }


def read_report(path: Path) -> Report:
    """Read `report.json`, or the one in a directory; raises `UnreadableReportError`, which says why.

    A report whose verdict is not the one that its clauses make was changed by hand, and is not read either.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableReportError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UnreadableReportError(f"{file} is not JSON: {error}") from error
    return decode(document, str(file))


def decode(document: Any, source: str) -> Report:
    """Turn what JSON gave into a report; `source` names it in the error."""
    if isinstance(document, dict) and document.get("report_version") not in (None, REPORT_VERSION):
        raise UnreadableReportError(
            f"{source} is a report of version {document['report_version']!r}, and this suite reads version "
            f"{REPORT_VERSION}: install the rdzv-conformance that wrote it"
        )
    missing = [name for name in schema()["required"] if not isinstance(document, dict) or name not in document]
    if missing:
        raise UnreadableReportError(f"{source} is not a report of rdzv certify: it has no {', '.join(missing[:3])}")
    try:
        report = msgspec.convert(document, Report)
    except msgspec.ValidationError as error:
        raise UnreadableReportError(f"{source} is not a report of rdzv certify: {error}") from error
    if (document["verdict"], document["certified"]) != (report.verdict, report.certified):
        raise UnreadableReportError(
            f"{source} was changed after it was written: it says {document['verdict']!r}, its clauses say "
            f"{report.verdict!r}"
        )
    return report

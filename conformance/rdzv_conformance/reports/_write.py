"""Reports into a directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rdzv_conformance.reports._badge import badge
from rdzv_conformance.reports._document import encode
from rdzv_conformance.reports._html import page
from rdzv_conformance.reports._junit import junit
from rdzv_conformance.reports._markdown import markdown
from rdzv_conformance.reports._matrix import matrix_markdown
from rdzv_conformance.run.results import Report

_FORMS = {"report.json": encode, "report.md": markdown, "junit.xml": junit, "badge.svg": badge, "index.html": page}


def write_report(report: Report, directory: Path) -> None:
    """Write `report.json`, `report.md`, `junit.xml`, `badge.svg` and `index.html`; raises `OSError`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, render in _FORMS.items():
        (directory / name).write_text(render(report), encoding="utf-8")


def write_matrix(reports: Sequence[Report], directory: Path) -> None:
    """Write each report into a directory of its backend's name, and the matrix as `README.md`; raises `OSError`."""
    names: list[str] = []
    for report in reports:
        name = re.sub(r"[^A-Za-z0-9_-]", "-", report.subject.backend)
        names.append(f"{name}-{len(names) + 1}" if name in names else name)
        write_report(report, directory / names[-1])
    links = [f"{name}/report.md" for name in names]
    (directory / "README.md").write_text(matrix_markdown(reports, links), encoding="utf-8")

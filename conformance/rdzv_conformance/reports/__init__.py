"""Reports: a certificate as JSON against a published schema, JUnit, Markdown, a badge, and a page to read."""

from rdzv_conformance.reports._document import UnreadableReportError, read_report, schema
from rdzv_conformance.reports._matrix import matrix_markdown, matrix_rows
from rdzv_conformance.reports._verify import verify
from rdzv_conformance.reports._write import write_matrix, write_report

__all__ = [
    "UnreadableReportError",
    "matrix_markdown",
    "matrix_rows",
    "read_report",
    "schema",
    "verify",
    "write_matrix",
    "write_report",
]

"""The report as JUnit's XML, for what collects test results."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rdzv_conformance.reports._text import lines, plain
from rdzv_conformance.run.results import ClauseResult, Report, count


def junit(report: Report) -> str:
    """Return the XML: a suite for each profile, a case for each clause, its tests in the case's output."""
    root = Element("testsuites", name=plain(f"rdzv certify {report.subject.backend}"))
    for profile in report.profiles:
        clauses = [each for each in report.clauses if each.profile == profile]
        counts = count(clauses)
        suite = SubElement(
            root,
            "testsuite",
            name=profile,
            tests=str(len(clauses)),
            failures=str(counts["fail"]),
            errors=str(counts["error"]),
            skipped=str(counts["untested"] + counts["unsupported"]),
            time=f"{sum(_seconds(each) for each in clauses):.3f}",
            timestamp=report.made,
        )
        for each in clauses:
            _case(suite, each, f"rdzv.{plain(report.subject.backend)}.{profile}")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, each: ClauseResult, group: str) -> None:
    case = SubElement(suite, "testcase", name=each.clause, classname=group, time=f"{_seconds(each):.3f}")
    message = plain(lines(each.message)[0])
    if each.status == "fail":
        SubElement(case, "failure", message=message).text = "\n".join([*lines(each.message), each.text])
    elif each.status == "error":
        SubElement(case, "error", message=message).text = message
    elif each.status != "pass":
        SubElement(case, "skipped", message=f"{each.status}: {message}")
    if each.tests:
        ran = (f"{test.status} {test.test} {test.seconds:.3f} s {plain(test.message)}".rstrip() for test in each.tests)
        SubElement(case, "system-out").text = "\n".join(ran)


def _seconds(each: ClauseResult) -> float:
    return sum(test.seconds for test in each.tests)

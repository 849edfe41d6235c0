"""What `rdzv-conformance` adds to pytest: the marker `rdzv_clause`, how its tests are run, and a verdict at the end.

Every pytest run loads it wherever it is installed, so it imports next to nothing and does next to nothing until a
test of the suite has run.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rdzv_conformance.pytest_plugin.keys import BACKEND, FIXTURE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _pytest.terminal import TerminalReporter

    from rdzv_conformance.run.anchor import AnchorHolder

PROPERTY = "rdzv_conformance"
STATUS = pytest.StashKey[int]()
"""The status that pytest ends with."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "rdzv_clause(id): a test for a clause of the rdzv contract, by its number")


@pytest.fixture(scope="class")
def _rdzv_anchor() -> Iterator[AnchorHolder]:
    """What keeps a store open between the tests of a class; here, because a class can hold no fixture of that scope."""
    from rdzv_conformance.run.anchor import AnchorHolder

    holder = AnchorHolder()
    yield holder
    holder.release()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test of the suite with its clauses."""
    for number in getattr(getattr(item, "obj", None), "rdzv_clauses", ()):
        item.add_marker(pytest.mark.rdzv_clause(number))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run a test of the suite as the suite runs it: under the watchdog, and checked for leaks."""
    if not getattr(pyfuncitem.obj, "rdzv_clauses", ()) or FIXTURE not in pyfuncitem.funcargs:
        return None
    from rdzv_conformance.harness.execution import execute

    execute(pyfuncitem.obj, pyfuncitem.funcargs[FIXTURE])
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write what a test of the suite found into its report, where every way of running pytest carries it along."""
    error = call.excinfo.value if call.excinfo else None  # now: pytest turns a SkipTest into a skip of its own
    report = yield
    clauses = getattr(getattr(item, "obj", None), "rdzv_clauses", ())
    if clauses and (call.when == "call" or not report.passed):
        report.user_properties.append((PROPERTY, _finding(item, call.when, clauses, error)))
    return report


def _finding(item: pytest.Item, when: str, clauses: tuple[str, ...], error: BaseException | None) -> dict[str, object]:
    from rdzv_conformance.harness.expect import concerned
    from rdzv_conformance.harness.leaks.detector import Leaked
    from rdzv_conformance.run.results import status_of

    left: tuple[str, ...] = ()
    if isinstance(error, Leaked):
        left, error = error.left, error.own

    status, message = status_of(error)
    if isinstance(error, pytest.skip.Exception):
        status, message = "untested", str(error)
    elif status == "fail" and when != "call":
        status = "error"
    # Without the parameters of a fixture: those tell variants of one class apart, they make no other test.
    name = getattr(item, "originalname", None) or item.name
    return {
        "backend": item.stash.get(BACKEND, "?"),
        "where": item.nodeid.removesuffix(item.name).removesuffix("::") + item.name.removeprefix(name),
        "test": name,
        "clauses": concerned(error, clauses),
        "status": status,
        "message": message,
        "left": list(left),
        "bent": _bent(item, name, error),
    }


def _bent(item: pytest.Item, name: str, error: BaseException | None) -> str:
    """Return how the class under test changed a test of the suite, nothing if it did not."""
    from rdzv_conformance.pytest_plugin.backend_conformance import BackendConformance

    if isinstance(error, pytest.xfail.Exception) or item.get_closest_marker("xfail"):
        return "marked as expected to fail"
    if isinstance(error, pytest.skip.Exception):
        return f"skipped ({error})"
    bases = getattr(item, "cls", BackendConformance).__mro__
    for attribute in (name, FIXTURE):
        if next((base for base in bases if attribute in vars(base)), None) not in BackendConformance.__mro__:
            return "overridden" if attribute == name else f"run with another fixture {attribute!r}"
    return ""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the status for the very end."""
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process where a backend left threads for which the interpreter would wait for ever."""
    leak_detector = sys.modules.get("rdzv_conformance.harness.leaks.detector")
    if leak_detector is None or hasattr(config, "workerinput"):
        return
    lasting = leak_detector.LEAK_DETECTOR.lasting_threads()
    if lasting:
        names = ", ".join(sorted(set(lasting)))
        print(f"rdzv conformance: not waiting for the threads that the backend left ({names})", flush=True)
        sys.stderr.flush()
        os._exit(config.stash.get(STATUS, 1))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print for each class of the suite, and each set of its fixtures' parameters, what its clauses came to."""
    found: dict[str, list[dict[str, Any]]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == PROPERTY:
                    found.setdefault(value["where"], []).append(value)
    for where, findings in sorted(found.items()):
        _summarize(terminalreporter, where, findings)


def _summarize(terminal: TerminalReporter, where: str, findings: list[dict[str, Any]]) -> None:
    from rdzv_conformance.pytest_plugin.summary import summary

    text = summary(findings)
    terminal.section(f"rdzv conformance: {text.backend}, {where}")
    for line in text.lines:
        terminal.line(line)
    terminal.line(text.verdict, green=text.certified, red=not text.certified, bold=True)

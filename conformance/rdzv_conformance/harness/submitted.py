"""A call that is submitted, and how it ended, as often as it did."""

from __future__ import annotations

import threading
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, Unsupported, shown, shown_error
from rdzv_core import Store, SupportsSubmit

SOON = 5.0


class Submitted:
    """One call, submitted when it is made; `ends` are those that `done` was told, of which there must be one."""

    def __init__(self, under_test: BackendUnderTest, target: SupportsSubmit, method: str, *arguments: Any) -> None:
        self.what: str = f"the submitted {method}({', '.join(shown(argument, 40) for argument in arguments)})"
        self.ends: list[tuple[Any, ...]] = []
        self._calls = under_test.calls
        self._ended = threading.Event()
        what = f"submit({method!r}, …)"
        try:
            self._calls.run(what, under_test.target.patience, target.submit, method, arguments, self._done)
        except Exception as error:
            finding = f"{what} raised {shown_error(error)}: it must hand the error to done"
            raise Blamed(finding, ("RDZV-SUBMIT-4",)) from error

    def _done(self, *end: Any) -> None:
        self.ends.append(end)
        self._ended.set()

    def ended(self, within: float) -> bool:
        """Wait for the end, at most `within` seconds, and return whether it came."""
        return self._ended.wait(within)

    def result(self, within: float) -> Any:
        """Return the result or raise the error; fail the clause if it has not ended `within` seconds."""
        return self._calls.run(self.what, within + SOON, self._result, within)

    def _result(self, within: float) -> Any:
        if not self.ended(within):
            raise ClauseFailed(f"{self.what} has not ended after {within:.1f} s: done was not called")
        end = self.ends[0]
        if len(end) != 2 or not (end[1] is None or isinstance(end[1], Exception)):
            raise ClauseFailed(f"{self.what} ended with done{shown(end)}: it must be (result, None) or (None, error)")
        if end[1] is not None:
            raise end[1]
        return end[0]


class Submitter:
    """Calls methods of a backend, or of a store: submitted where they can be, and as usual where not."""

    def __init__(self, under_test: BackendUnderTest, target: object, *among: str) -> None:
        """Go on only if the target submits, and if one of the methods `among` (any at all without) can be submitted."""
        if not isinstance(target, SupportsSubmit):
            raise Unsupported(f"{_named(target)} does not claim SupportsSubmit")
        self.target: SupportsSubmit = target
        self.submittable: frozenset[str] = target.submittable
        self._under_test = under_test
        if among and not self.submittable & {*among}:
            raise Unsupported(f"{_named(target)} submits none of {', '.join(among)}")

    def begin(self, method: str, *arguments: Any) -> Submitted:
        """Submit a call."""
        return Submitted(self._under_test, self.target, method, *arguments)

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Make a call, and give its result or raise its error. It may take what a short wait takes."""
        if method in self.submittable:
            return self.begin(method, *arguments).result(self._under_test.paced(SOON))
        call = getattr(self.target, method)
        return self._under_test.calls.run(f"{method}(…)", self._under_test.target.patience, call, *arguments)


def _named(target: object) -> str:
    return "its store" if isinstance(target, Store) else "the backend"

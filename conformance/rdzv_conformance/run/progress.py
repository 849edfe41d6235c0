"""What a run of the suite tells while it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from rdzv_conformance.run.results import TestResult


class Progress:
    """Is told what happens; this one takes no notice. Calls come one at a time, from any thread."""

    def planned(self, profiles: Sequence[str], tests: Sequence[str]) -> None:
        """The backend is there: these profiles are tested, by these tests. Told once."""

    def began(self, test: str, done: int, total: int) -> None:
        """A test begins, after `done` others of `total`, some of which may still run."""

    def ended(self, result: TestResult) -> None:
        """A test has ended."""

    def measuring(self) -> None:
        """The tests are through, and calls are being timed."""


def words(test: str) -> str:
    """Turn `test_RDZV_CAS_4_a_stale_token` into `RDZV-CAS-4 a stale token`."""
    section, number, *rest = test.removeprefix("test_RDZV_").split("_")
    return f"RDZV-{section}-{number} {' '.join(rest)}"

"""Instances that come and go at the same time, in a process where nothing else is open."""

from __future__ import annotations

import itertools
import sys
import time

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import shown_error
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.threads import frequent_switches, race
from rdzv_core import create_backend

OPENING = 2
LASTS = 0.4
MOST = 2000


def open_and_close(under_test: BackendUnderTest) -> list[str]:
    """Open, read and close by two threads for a while; return what was raised, each error once."""
    ends = time.monotonic() + under_test.paced(LASTS)
    params = under_test.parameters(f"{under_test.run_id}-opening")

    def come_and_go(_: int) -> list[str]:
        raised: list[str] = []
        for _ in range(MOST):
            try:
                backend = create_backend(params)
                try:
                    backend.get_state()
                finally:
                    backend.close()
            except Exception as error:  # noqa: BLE001 - told
                raised.append(shown_error(error))
            if raised or time.monotonic() > ends:
                break
        return raised

    with frequent_switches():
        raised = race(OPENING, come_and_go, under_test.target.pace)
    return list(dict.fromkeys(itertools.chain.from_iterable(raised)))


def open_and_tell(under_test: BackendUnderTest, say: Say) -> None:
    """Be the process in which that is done, and say what was raised."""
    create_backend(under_test.parameters()).close()  # what is imported and made once is so now
    say("ready")
    sys.stdin.readline()
    say("done", raised=open_and_close(under_test))

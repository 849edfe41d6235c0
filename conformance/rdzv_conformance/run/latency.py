"""How long single calls take: a number of them, one after the other, on a register of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.target import Target
from rdzv_conformance.run.results import Latency

SAMPLES = 200
SECONDS = 2.0
STATE = b"x" * 64


def measure(target: Target) -> tuple[Latency, ...]:
    """Time up to 200 calls, or 2 s of them, of `get_state` and of `set_state` with a state of 64 bytes.

    Raises what the backend raises.
    """
    under_test = BackendUnderTest(target)
    found: list[Latency] = []

    def check() -> None:
        register = under_test.open()
        token = register.write(STATE)

        def write() -> None:
            nonlocal token
            token = register.write(STATE, token)

        found.append(latency("get_state", _samples(register.get_state)))
        found.append(latency("set_state", _samples(write)))

    under_test.run(check)
    return tuple(found)


def latency(operation: str, seconds: Sequence[float]) -> Latency:
    """Combine samples, in seconds."""
    samples = tuple(round(each * 1000, 4) for each in seconds)
    highest = sorted(samples)[min(len(samples) - 1, int(len(samples) * 0.99))]
    return Latency(operation, samples, round(statistics.median(samples), 4), highest)


def _samples(call: Callable[[], object]) -> list[float]:
    samples: list[float] = []
    ends = time.monotonic() + SECONDS
    while not samples or (len(samples) < SAMPLES and time.monotonic() < ends):
        began = time.perf_counter()
        call()
        samples.append(time.perf_counter() - began)
    return samples

"""`python -m rdzv_conformance.checks.linearizability`: how the time of a check grows with the history."""

from __future__ import annotations

import time

from rdzv_conformance.checks.linearizability._random import sound_history
from rdzv_conformance.checks.linearizability.checker import check


def main() -> None:
    """Print a line for each size: clients, share of calls without an answer, calls, seconds, microseconds a call."""
    print("clients  unanswered    calls  seconds  µs a call")
    for clients, lost in ((4, 0.0), (16, 0.0), (4, 0.01)):
        for size in (1_000, 10_000, 100_000):
            history = sound_history(size, clients, seed=1, lost=lost)
            began = time.perf_counter()
            verdict = check(history)
            took = time.perf_counter() - began
            if not verdict.linearizable:
                raise SystemExit(f"a sound history was called {verdict}")
            print(f"{clients:7}  {lost:10.0%}  {size:7}  {took:7.2f}  {took / size * 1e6:9.1f}", flush=True)


if __name__ == "__main__":
    main()

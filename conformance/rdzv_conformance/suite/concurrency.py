"""RDZV-CAS-11 to 13: threads, instances and processes that count in one register."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from rdzv_conformance.clauses import clause
from rdzv_conformance.counting import Increment, check_counted, count_up
from rdzv_conformance.processes import Worker
from rdzv_conformance.subject import Subject
from rdzv_conformance.threads import race

COUNTERS = 4
STEPS = 25


class Concurrency:
    """Everybody adds to one number; at the end nothing is missing."""

    @clause("RDZV-CAS-11")
    def test_RDZV_CAS_11_threads_on_one_instance_lose_no_update(self, subject: Subject) -> None:
        """Four threads share an instance: every token is won once, and every increment is there."""
        register = subject.open()
        check_counted(register, race(COUNTERS, lambda _: count_up(register, STEPS)), "threads")

    @clause("RDZV-CAS-12")
    def test_RDZV_CAS_12_instances_in_one_process_lose_no_update(self, subject: Subject) -> None:
        """Four instances of a run, a thread each: every token is won once, and every increment is there."""
        instances = [subject.open() for _ in range(COUNTERS)]
        done = race(COUNTERS, lambda number: count_up(instances[number], STEPS))
        check_counted(subject.open(), done, "instances")

    @clause("RDZV-CAS-13")
    def test_RDZV_CAS_13_processes_lose_no_update(self, subject: Subject) -> None:
        """Four processes that start together: every token is won once, and every increment is there."""
        subject.needs_other_processes()
        workers = [Worker(subject, "count", steps=STEPS) for _ in range(COUNTERS)]
        try:
            for worker in workers:
                worker.expect("ready")
            for worker in workers:
                worker.send("go")
            done = [[Increment(*step) for step in worker.expect("done")["steps"]] for worker in workers]
        finally:
            for worker in workers:
                worker.stop()
        check_counted(subject.open(), done, "processes")

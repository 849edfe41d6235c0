"""RDZV-CAS-11 to 13: threads, instances and processes at one register; what they saw must have an explanation."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from itertools import chain

from rdzv_conformance.checks.linearizability import Operation, check, draw, from_json
from rdzv_conformance.checks.linearizability.recording import Client, least_steps
from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import fail
from rdzv_conformance.harness.threads import race
from rdzv_conformance.suite.processes import Worker, once_ready

CLIENTS = 4


class Concurrency:
    """Everybody reads, writes, deletes and waits at random, with tokens that are current, stale, foreign or none."""

    @clause("RDZV-CAS-11")
    def test_RDZV_CAS_11_threads_on_one_instance_lose_no_update(self, under_test: BackendUnderTest) -> None:
        """Four threads share an instance: what they were told is what a fenced register tells in some order."""
        register = under_test.open()
        seed, least = under_test.random.getrandbits(32), least_steps(register)
        done = race(
            CLIENTS, lambda n: Client(register, f"thread {n}", f"{seed} {n}").run(least), under_test.target.pace
        )
        judge_history(under_test, f"{len(done)} threads", done)

    @clause("RDZV-CAS-12")
    def test_RDZV_CAS_12_instances_in_one_process_lose_no_update(self, under_test: BackendUnderTest) -> None:
        """Four instances of a run, a thread each: what they were told is what a fenced register tells in some order."""
        instances = [under_test.open() for _ in range(CLIENTS)]
        seed, least = under_test.random.getrandbits(32), least_steps(instances[0])
        done = race(
            CLIENTS, lambda n: Client(instances[n], f"instance {n}", f"{seed} {n}").run(least), under_test.target.pace
        )
        judge_history(under_test, f"{len(done)} instances", done)

    @clause("RDZV-CAS-13")
    def test_RDZV_CAS_13_processes_lose_no_update(self, under_test: BackendUnderTest) -> None:
        """Four processes that start together: what they were told is what a fenced register tells in some order."""
        under_test.needs_other_processes()
        seed, least = under_test.random.getrandbits(32), least_steps(under_test.open())
        workers = [
            Worker(under_test, "hammer", name=f"process {n}", seed=f"{seed} {n}", least=least) for n in range(CLIENTS)
        ]
        with once_ready(workers):
            for worker in workers:
                worker.go()
            done = [[from_json(fields) for fields in worker.expect("done")["history"]] for worker in workers]
        judge_history(under_test, f"{len(done)} processes", done)


def judge_history(under_test: BackendUnderTest, who: str, done: list[list[Operation]]) -> None:
    """Fail the clause unless what they were told is what a fenced register tells in some order."""
    last = Client(under_test.open(), "afterwards", "").read()
    history = list(chain(*done, last))
    verdict = check(history)
    if verdict.fault is not None:
        against = f" That is against {', '.join(verdict.fault.clauses)} too." if verdict.fault.clauses else ""
        fail(
            f"{who} made {len(history)} calls (seed {under_test.target.seed}): "
            f"{verdict.fault.says}.{against} Calls must be as if one came after the other: "
            "each token has one winner, no update is lost. "
            f"These show it:\n{draw(verdict.shown_by)}"
        )

"""`python -m rdzv_conformance.mutants [NAME…]`: which clauses caught which mutant."""

from __future__ import annotations

import argparse
import sys
import time

from rdzv_conformance.mutants._catalogue import mutants
from rdzv_conformance.mutants._generated import run_generated
from rdzv_conformance.mutants._matrix import EXCUSED, MutantVerdict, draw, hunt_all, idle_clauses

JOBS = 3
"""Processes at a time: most of what a mutant takes is waiting for a timeout."""


def main(arguments: list[str]) -> int:
    """Print the kill matrix; the status is 1 if a mutant survived, was caught by other clauses, or a clause is idle."""
    parser = argparse.ArgumentParser(prog="python -m rdzv_conformance.mutants", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants; all of them without any")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"processes at a time ({JOBS})")
    parser.add_argument("--list", action="store_true", help="print the mutants and what they stand for, and run none")
    parser.add_argument("--generated", action="store_true", help="mutants made mechanically from the reference backend")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which of the generated ones are drawn")
    parser.add_argument("--most", type=int, default=0, metavar="M", help="draw so many of the generated ones")
    given = parser.parse_args(arguments)
    if given.generated:
        return run_generated(given.names, given.seed, given.most, given.jobs)
    unknown = [name for name in given.names if name not in mutants()]
    if unknown:
        parser.error(f"no such mutant: {', '.join(unknown)}: see --list")
    if given.list:
        for mutant in mutants().values():
            print(f"{mutant.name}: {mutant.sentence} [{', '.join(mutant.breaks)}]")
        return 0
    return _matrix(given.names, given.jobs)


def _matrix(names: list[str], jobs: int) -> int:
    began = time.monotonic()
    wanted = names or list(mutants())
    done = 0

    def seen(verdict: MutantVerdict) -> None:
        nonlocal done
        done += 1
        print(f"[{done}/{len(wanted)}] {verdict.name} {verdict.seconds:.1f} s", file=sys.stderr, flush=True)
        for remark in verdict.wrong:
            print(f"    {remark}", file=sys.stderr, flush=True)

    verdicts = hunt_all(wanted, jobs, seen)
    print(draw(verdicts))
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    for verdict in wrong:
        print(f"{verdict.name}: {'; '.join(verdict.wrong)}")
    idle = [] if names else idle_clauses(verdicts)
    if not names:
        for number in idle:
            print(f"{number} catches no mutant")
        for number, reason in EXCUSED.items():
            print(f"{number} is excused: {reason}")
    clauses = {number for verdict in verdicts for number in mutants()[verdict.name].breaks if number in verdict.found}
    print(
        f"{len(verdicts)} mutants, {len(verdicts) - len(wrong)} caught by their clauses with the words expected; "
        f"{len(clauses)} clauses caught one; {time.monotonic() - began:.0f} s"
    )
    return 1 if wrong or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

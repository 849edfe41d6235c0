"""`python -m rdzv_conformance.mutants [NAME…]`: which clauses caught which mutant."""

from __future__ import annotations

import sys

from rdzv_conformance.mutants import caught_by, failing_clauses, install, mutants


def main(names: list[str]) -> int:
    """Print a line for each mutant; the status is 1 if one survived or was caught by other clauses than expected."""
    install()
    missed = 0
    for mutant in [mutants()[name] for name in names] or mutants().values():
        found = failing_clauses(caught_by(mutant))
        survived = set(mutant.breaks) - set(found)
        surplus = set(found) - set(mutant.breaks) - set(mutant.may_break)
        silent = not survived and not any(mutant.message in text for text in found[mutant.breaks[0]])
        missed += bool(survived or surplus or silent)
        remarks = [
            *(f"NOT caught by {number}" for number in sorted(survived)),
            *(f"ALSO caught by {number}: {found[number][0]}" for number in sorted(surplus)),
            *([f"WITHOUT {mutant.message!r}: {found[mutant.breaks[0]]}"] if silent else []),
        ]
        print(f"{mutant.name:<28} {' '.join(sorted(found)) or 'survived'}", flush=True)
        for remark in remarks:
            print(f"    {remark}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Broken backends, each a few lines on a sound one, that the suite must catch: what tests the suite itself.

`mutants()` gives them as data; `install()` registers them by name in this process. `python -m rdzv_conformance.mutants`
prints which clauses caught which.
"""

from rdzv_conformance.mutants._catalogue import install, mutants, references, rest_of_baseline
from rdzv_conformance.mutants._hunt import caught_by, failing_clauses, run_all
from rdzv_conformance.mutants._mutant import Mutant

__all__ = ["Mutant", "caught_by", "failing_clauses", "install", "mutants", "references", "rest_of_baseline", "run_all"]

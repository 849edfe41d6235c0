"""Was what many clients saw of one register possible? Histories, an exact checker, and a picture of what was not.

`check(history)` decides, `draw(operations)` shows. Nothing here runs a backend; `rdzv_conformance.histories` records.
"""

from rdzv_conformance.checks.linearizability.check import Verdict, check
from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.checks.linearizability.history import Found, Kind, Operation, from_json, to_json
from rdzv_conformance.checks.linearizability.timeline import draw

__all__ = ["Fault", "Found", "Kind", "Operation", "Verdict", "check", "draw", "from_json", "to_json"]

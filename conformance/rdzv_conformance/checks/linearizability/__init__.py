"""Was what many clients saw of one register possible? Histories, an exact checker, and a picture of what was not.

`check(history)` decides, `draw(operations)` shows. Nothing here runs a backend but `recording`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdzv_conformance._lazy import lazily

if TYPE_CHECKING:
    from rdzv_conformance.checks.linearizability.checker import Verdict, check
    from rdzv_conformance.checks.linearizability.faults import Fault
    from rdzv_conformance.checks.linearizability.history import Found, Kind, Operation, from_json, to_json
    from rdzv_conformance.checks.linearizability.timeline import draw

__all__ = ["Fault", "Found", "Kind", "Operation", "Verdict", "check", "draw", "from_json", "to_json"]

# The processes that a run of the suite starts record and do not check: nothing is loaded before it is asked for.
_MODULES = {"Fault": "faults", "Verdict": "checker", "check": "checker", "draw": "timeline"}

__getattr__ = lazily(__name__, {name: _MODULES.get(name, "history") for name in __all__})

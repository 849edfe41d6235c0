"""A register, a membership and a store against plain models of them, by calls that hypothesis makes up.

What a model finds is the shortest sequence of calls that goes wrong, printed as a program that can be run.
"""

import os

try:
    import hypothesis  # noqa: F401
except Exception:  # noqa: BLE001 - it looks for plugins of its own: torn metadata of any distribution fails it
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"

from rdzv_conformance.checks.models.membership import MembershipModel
from rdzv_conformance.checks.models.register import RegisterModel
from rdzv_conformance.checks.models.running import hold_against
from rdzv_conformance.checks.models.store import StoreModel

__all__ = ["MembershipModel", "RegisterModel", "StoreModel", "hold_against"]

"""A register, a membership and a store against plain models of them, by calls that hypothesis makes up.

What a model finds is the shortest sequence of calls that goes wrong, printed as a program that can be run. The names
are loaded when they are asked for: hypothesis is a third of what a process of the suite loads otherwise, and most of
these processes come by no model.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rdzv_conformance._lazy import lazily

if TYPE_CHECKING:
    from rdzv_conformance.checks.models.membership import MembershipModel
    from rdzv_conformance.checks.models.register import RegisterModel
    from rdzv_conformance.checks.models.running import hold_against
    from rdzv_conformance.checks.models.store import StoreModel

__all__ = ["MembershipModel", "RegisterModel", "StoreModel", "hold_against"]

_load = lazily(
    __name__,
    {"MembershipModel": "membership", "RegisterModel": "register", "StoreModel": "store", "hold_against": "running"},
)


def __getattr__(name: str) -> Any:
    try:
        if name in __all__:
            import_module("hypothesis")
    except Exception:  # noqa: BLE001 - it looks for plugins of its own: torn metadata of any distribution fails it
        os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
    return _load(name)

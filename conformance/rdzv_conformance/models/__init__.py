"""A register, a membership and a store against plain models of them, by calls that hypothesis makes up.

What a model finds is the shortest sequence of calls that goes wrong, printed as a program that can be run.
"""

from rdzv_conformance.models.membership import MembershipModel
from rdzv_conformance.models.register import RegisterModel
from rdzv_conformance.models.running import hold_against
from rdzv_conformance.models.store import StoreModel

__all__ = ["MembershipModel", "RegisterModel", "StoreModel", "hold_against"]

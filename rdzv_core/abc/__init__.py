"""The contract: what a backend must be, and what it may add.

`RendezvousBackend` is required. The `Supports…` classes are capabilities; core has fallbacks for a watch, a membership
and a store. The numbered clauses behind these docstrings are in `spec/contract.md`.
"""

from rdzv_core.abc._backend import CONTRACT_VERSION, RendezvousBackend, SetStateResult, StateSnapshot, Token
from rdzv_core.abc._delete import SupportsDelete
from rdzv_core.abc._listing import SupportsListing
from rdzv_core.abc._membership import Member, MemberLease, MembersView, SupportsMembership
from rdzv_core.abc._store import Store, SupportsStore
from rdzv_core.abc._submit import OnDone, SupportsSubmit
from rdzv_core.abc._watch import SupportsWatch

__all__ = [
    "CONTRACT_VERSION",
    "Member",
    "MemberLease",
    "MembersView",
    "OnDone",
    "RendezvousBackend",
    "SetStateResult",
    "StateSnapshot",
    "Store",
    "SupportsDelete",
    "SupportsListing",
    "SupportsMembership",
    "SupportsStore",
    "SupportsSubmit",
    "SupportsWatch",
    "Token",
]

"""What core gives to a backend that lacks a capability: the same capability, built on its registers alone."""

from rdzv_core._fallback._membership import RegisterMembership
from rdzv_core._fallback._ports import membership_of, release, siblings_of, store_of
from rdzv_core._fallback._removal import remove_memberships, remove_stores
from rdzv_core._fallback._store import RegisterStore
from rdzv_core._fallback._watch import PollingWatch, watch_of

__all__ = [
    "PollingWatch",
    "RegisterMembership",
    "RegisterStore",
    "membership_of",
    "release",
    "remove_memberships",
    "remove_stores",
    "siblings_of",
    "store_of",
    "watch_of",
]

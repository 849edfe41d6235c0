"""What core adds to a backend that lacks a capability: the same capability, built on its registers alone."""

from rdzv_core._fallback.membership import RegisterMembership
from rdzv_core._fallback.ports import membership_of, release, siblings_of, store_of
from rdzv_core._fallback.removal import remove_memberships, remove_stores
from rdzv_core._fallback.store import RegisterStore
from rdzv_core._fallback.watch import PollingWatch, watch_of

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

"""What core gives to a backend that lacks a capability: the same capability, built on its registers alone."""

from rdzv_core.fallback._ports import membership_of, store_of, watch_of

__all__ = ["membership_of", "store_of", "watch_of"]

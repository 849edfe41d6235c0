"""The handler: a state machine without I/O, and the threads that drive it."""

from rdzv_core.handler.info import Change, ChangeReason, RendezvousInfo

__all__ = ["Change", "ChangeReason", "RendezvousInfo"]

"""The handler: a state machine without I/O, the threads that drive it, and the edge where it meets a backend.

Data flows one way: `settings` and what `knowledge` has been read → `rules` assess it → `leader` proposes a head →
`machine` plans operations → `driver` runs them through `access`.
"""

from rdzv_core._handler.handler import RendezvousHandler
from rdzv_core._handler.info import Change, ChangeReason, RendezvousInfo

__all__ = ["Change", "ChangeReason", "RendezvousHandler", "RendezvousInfo"]

"""The handler: a state machine without I/O, the threads that drive it, and the edge where it meets a backend.

Data flows one way: what was read is in `view` → `rules` assess it → `proposals` say what the head should become →
`machine` plans operations → `driver` runs them through `store_adapter`.
"""

from rdzv_core._handler.handler import RendezvousHandler
from rdzv_core._handler.info import Change, ChangeReason, RendezvousInfo

__all__ = ["Change", "ChangeReason", "RendezvousHandler", "RendezvousInfo"]

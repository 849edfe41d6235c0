"""What the authors of backends would else each write again.

- `VersionedBackend`: a whole register from three small methods over values that have a version.
- `CallGuard` and `Call`: a deadline for every call, which `close` ends at once, and which a fork does not confuse.
- `SharedClients` and `ClientHold`: one client of the store for all instances of a process that mean the same one.
- `AsyncClient`: an asyncio client, used from any thread; its loop has a thread of its own, also in a forked child.

`examples/rdzv-sqlite` and `examples/rdzv-redis` are built with them; `docs/write-a-backend.md` explains both.
"""

from rdzv_core.authoring._async_client import AsyncClient
from rdzv_core.authoring._guard import Call, CallGuard
from rdzv_core.authoring._shared import ClientHold, SharedClients
from rdzv_core.authoring._versioned import VersionedBackend

__all__ = ["AsyncClient", "Call", "CallGuard", "ClientHold", "SharedClients", "VersionedBackend"]

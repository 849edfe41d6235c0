"""The reference backend: everything the contract asks for, in one process, as plainly as it can be written.

It is what the conformance suite holds others against, and a backend for tests that need no store. Its endpoint is any
text, also none: all backends of one endpoint in one process share a `MemoryHub`.
"""

from rdzv_core.memory._backend import MemoryBackend
from rdzv_core.memory._hub import MemoryHub

__all__ = ["MemoryBackend", "MemoryHub"]

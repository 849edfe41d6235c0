"""The published suite that certifies any rdzv backend, in this tree or out of it."""

from rdzv_conformance._mixin import RendezvousBackendTestMixin

__version__ = "0.1.0"

__all__ = ["RendezvousBackendTestMixin"]

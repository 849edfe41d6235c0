"""The published suite that certifies any rdzv backend, in this tree or out of it.

What is named here is public and kept. The modules behind it are the suite's own and may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdzv_conformance._lazy import lazily
from rdzv_conformance._version import VERSION

if TYPE_CHECKING:
    from rdzv_conformance._mixin import RendezvousBackendTestMixin
    from rdzv_conformance.harness.helpers import Helpers
    from rdzv_conformance.harness.proxy import Proxy
    from rdzv_conformance.harness.sandbox import Sandbox
    from rdzv_conformance.pytest_plugin.backend_conformance import BackendConformance

__version__ = VERSION

__all__ = ["BackendConformance", "Helpers", "Proxy", "RendezvousBackendTestMixin", "Sandbox"]

# pytest imports this package at every start, wherever it is installed: nothing is loaded before it is asked for.
__getattr__ = lazily(
    __name__,
    {
        "BackendConformance": "pytest_plugin.backend_conformance",
        "Helpers": "harness.helpers",
        "Proxy": "harness.proxy",
        "RendezvousBackendTestMixin": "_mixin",
        "Sandbox": "harness.sandbox",
    },
)

"""The reference backend passes the suite, as a class that anybody could write."""

from __future__ import annotations

from rdzv_conformance import BackendConformance


class TestMemory(BackendConformance):
    backend = "memory"
    endpoint = "conformance"

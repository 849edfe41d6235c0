"""The reference backend passes the suite, as a class that anybody could write."""

from __future__ import annotations

import pytest
from rdzv_conformance import BackendConformance


@pytest.mark.cases  # the class of two lines in test_conformance_plugin is the same, in a pytest of its own
class TestMemory(BackendConformance):
    backend = "memory"
    endpoint = "conformance"

"""The published suite on both kinds of endpoint."""

from __future__ import annotations

import pytest
from rdzv_conformance import BackendConformance


class TestOneFile(BackendConformance):
    """Every clause, where the endpoint is a file."""

    backend = "file"

    @pytest.fixture
    def endpoint(self, tmp_path):
        """A file that is not there yet."""
        return f"{tmp_path}/store"


class TestDirectory(BackendConformance):
    """Every clause, where the endpoint is a directory."""

    backend = "file"

    @pytest.fixture
    def endpoint(self, tmp_path):
        """A directory that is there."""
        return str(tmp_path)

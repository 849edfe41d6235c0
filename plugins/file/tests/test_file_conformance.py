"""The published suite on both kinds of endpoint."""

from __future__ import annotations

import pytest
from rdzv_conformance import BackendConformance
from rdzv_file.conformance import OwnStore


class _OnFile(BackendConformance):
    backend = "file"

    @pytest.fixture
    def endpoint(self, own):
        """A path where there is nothing yet."""
        return own.endpoint

    @pytest.fixture
    def pause(self, own):
        """Take the store away."""
        return own.pause

    @pytest.fixture
    def resume(self, own):
        """Bring the store back."""
        return own.resume


class TestOneFile(_OnFile):
    """Every clause, where the endpoint is a file."""

    @pytest.fixture
    def own(self, tmp_path):
        """One file, and what is beside it."""
        return OwnStore(tmp_path / "store", one_file=True)


@pytest.mark.cases  # as one file, but for where the files lie
class TestDirectory(_OnFile):
    """Every clause, where the endpoint is a directory."""

    @pytest.fixture
    def own(self, tmp_path):
        """A directory."""
        return OwnStore(tmp_path / "store")

"""Everything the contract asks of a backend, asked of this one."""

import pytest
from rdzv_conformance import BackendConformance


class TestSqlite(BackendConformance):
    backend = "sqlite"

    @pytest.fixture
    def endpoint(self, tmp_path):
        return str(tmp_path / "rdzv.db")

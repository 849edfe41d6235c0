"""Everything the contract asks of a backend, asked of this one on a server that is stopped, killed and restarted."""

import shutil

import pytest
from rdzv_conformance import BackendConformance, Sandbox
from rdzv_redis.conformance import own_store

pytestmark = [
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: `apt install redis-server`"),
    pytest.mark.cases,
]


class TestRedis(BackendConformance):
    backend = "redis"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory):
        with own_store(Sandbox(tmp_path_factory.mktemp("redis"))) as store:
            yield store

    @pytest.fixture
    def endpoint(self, server):
        return server.endpoint

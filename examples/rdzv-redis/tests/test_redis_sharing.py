"""What the instances of a process share, and what a person is told; on a real server."""

import shutil
import threading
import time
from contextlib import ExitStack, closing

import pytest
import redis
from rdzv_conformance import Sandbox
from rdzv_conformance.harness.proxy import Proxy
from rdzv_redis.conformance import own_store

from rdzv_core import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    create_backend,
)

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs redis-server: `apt install redis-server`"
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """A server of this module's own."""
    with own_store(Sandbox(tmp_path_factory.mktemp("redis"))) as store:
        yield store.endpoint


def _open(endpoint, run_id="run", **config):
    return create_backend(RendezvousParameters("redis", endpoint, run_id, 1, 2, **config))


def _connections(endpoint):
    host, port = endpoint.split(":")
    with closing(redis.Redis(host, int(port))) as client:
        return len(client.client_list()) - 1


def test_all_instances_of_a_process_share_a_connection_and_the_last_one_ends_it(endpoint):
    """However many registers a node opens; who listens has one more, for all of them."""
    with ExitStack() as stack:
        first = stack.enter_context(closing(_open(endpoint)))
        for number in range(20):
            sibling = stack.enter_context(closing(first.sibling(f"purpose-{number}")))
            assert sibling.set_state(b"x").has_set
            assert sibling.delete_state()
        assert _connections(endpoint) == 1
        assert first.wait_state(None, 0.01) == (False, None)
        assert _connections(endpoint) <= 2
    assert _connections(endpoint) == 0


def test_a_change_wakes_who_waits_for_it(endpoint):
    """The register and the members, over pub/sub."""
    with closing(_open(endpoint, "wakes")) as here, closing(_open(endpoint, "wakes")) as there:
        woken = []
        version = here.members().version
        waits = [
            threading.Thread(target=lambda: woken.append(here.wait_state(None, 20)[1].state)),
            threading.Thread(target=lambda: woken.append(here.wait_members(version, 20))),
        ]
        for wait in waits:
            wait.start()
        there.set_state(b"here I am")
        lease = there.enter(b"me", 10)
        for wait in waits:
            wait.join(20)
        assert sorted(map(str, woken)) == ["True", "b'here I am'"]
        there.leave(lease)
        here.delete_state()
        here.delete_leftovers()
        assert here.list_keys() == []


def test_a_wrong_password_is_a_configuration_error_that_does_not_show_it(endpoint):
    """Waiting cannot help; and a server without a password says so as well."""
    with closing(_open(endpoint, password="hunter2")) as backend:
        with pytest.raises(RendezvousConfigurationError, match="check the options username and password") as raised:
            backend.get_state()
        assert "hunter2" not in str(raised.value)


def test_a_key_of_another_kind_is_a_state_error(endpoint):
    """Somebody else uses it: it is left as it is."""
    with closing(_open(endpoint, "foreign")) as backend:
        host, port = endpoint.split(":")
        with closing(redis.Redis(host, int(port))) as client:
            client.rpush(backend.params.key, "x")
            for call in (backend.get_state, lambda: backend.set_state(b"x")):
                with pytest.raises(RendezvousStateError, match="WRONGTYPE"):
                    call()
            client.delete(backend.params.key)


def test_an_answer_that_comes_byte_by_byte_is_late_as_any_other(endpoint):
    """call_timeout is that of the whole call, and not of each byte."""
    host, port = endpoint.split(":")
    with Proxy(host, int(port)) as proxy, closing(_open(f"127.0.0.1:{proxy.port}", call_timeout=1.0)) as backend:
        backend.set_state(b"there")
        proxy.dribble(1, 0.4, answers_only=True)
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError):
            backend.get_state()
        assert time.monotonic() - began < 5

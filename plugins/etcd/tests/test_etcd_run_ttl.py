"""What a run leaves in etcd goes by itself, after `run_ttl`, and not while anybody lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdzv_etcd import EtcdBackend, EtcdServer

Connect = Callable[..., EtcdBackend]


def _left(oracle: Any, backend: EtcdBackend) -> set[bytes]:
    run = backend.key.removeprefix(b"/rdzv/rdzv.").rpartition(b".")[0]
    return {key for key in oracle.keys() if b"rdzv." + run + b"." in key}  # noqa: SIM118 - not a mapping


def test_a_finished_run_leaves_nothing(
    etcd: EtcdServer, connect: Connect, oracle: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """Registers, a sibling's too, the round's store and the incarnation go once nobody refreshes any more."""
    backend, look = connect(etcd.get_endpoint(), run_ttl=2), oracle(etcd.get_endpoint())
    sibling = backend.sibling("s")
    member = backend.enter(b"x", 30)
    assert backend.set_state(b"state")
    assert sibling.set_state(b"state")
    backend.store("round").set("key", b"value")
    assert len(_left(look, backend)) >= 5
    backend.leave(member)
    sibling.close()
    backend.close()
    eventually(lambda: not _left(look, backend))


def test_who_only_reads_or_waits_keeps_the_register(
    etcd: EtcdServer, connect: Connect, eventually: Callable[..., None]
) -> None:
    """Whoever lives uses a register or refreshes a membership; an observer, who may look for ever, is not counted."""
    backend = connect(etcd.get_endpoint(), run_ttl=3, read_timeout=1)
    result = backend.set_state(b"state")
    assert result is not None
    assert backend.wait_state(result.token, 9) == (False, (b"state", result.token))
    observer = EtcdBackend.connect(backend._params.for_observer())
    eventually(lambda: observer.get_state() is None)
    observer.close()


def test_a_write_after_the_run_has_ended_founds_it_again(
    etcd: EtcdServer, connect: Connect, eventually: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """A node that stood still for longer than `run_ttl` finds nothing, and begins again, under a lease that lives."""
    backend, look = connect(etcd.get_endpoint(), run_ttl=2), oracle(etcd.get_endpoint())
    old = backend.set_state(b"old")
    assert old is not None
    eventually(lambda: look.kv(backend.key) is None)
    assert backend.set_state(b"new", old.token) is None
    new = backend.set_state(b"new")
    assert new is not None
    assert int(look.kv(backend.key)["lease"])
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        assert backend.wait_state(new.token, 0.2) == (False, (b"new", new.token))

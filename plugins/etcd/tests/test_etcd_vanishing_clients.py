"""Clients that are killed in the middle of a call: that must harm nobody but themselves."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer
from rdzv_etcd._client.gateway import Gateway

Connect = Callable[..., EtcdBackend]

CALLS = 200
"""Without what `messages.txn_reads` does, an etcd 3.5.1 ended within 10 to 90 calls."""
LONGEST_CALL = 0.002


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, dict[str, Any]]]:
    """Every kind of request that this process sends, one of each."""
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    post = Gateway.post

    def noted(self: Gateway, scope: Any, path: str, body: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        seen[path + json.dumps(_shape(body))] = path, body
        return post(self, scope, path, body, *args, **kwargs)

    monkeypatch.setattr(Gateway, "post", noted)
    return seen


def _shape(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: _shape(each) for name, each in body.items()}
    return [_shape(each) for each in body] if isinstance(body, list) else ""


def test_a_client_that_vanishes_in_a_call_ends_no_etcd(
    own_etcd: EtcdServer, connect: Connect, sent: dict[str, tuple[str, dict[str, Any]]]
) -> None:
    """A node is killed, its machine is gone: whatever it has just asked for, the etcd of the others goes on."""
    backend = connect(own_etcd.get_endpoint())
    _call_everything(backend)
    assert {path for path, _ in sent.values()} >= {"/v3/kv/range", "/v3/kv/txn", "/v3/lease/grant"}
    for path, body in sent.values():
        for _ in range(CALLS):
            _ask_and_vanish(own_etcd, path, body)
    assert backend.get_state() is not None


def _call_everything(backend: EtcdBackend) -> None:
    state = backend.set_state(b"x")
    assert state is not None
    assert backend.set_state(b"y", state.token)
    members = [backend.enter(b"payload", 60) for _ in range(20)]
    view = backend.members()
    assert len(view.members) == 20
    assert len(backend.first(3).members) == 3
    assert backend.count() == 20
    assert not backend.wait_members(view.version, 0.05)
    assert backend.update(members[0], b"another")
    assert backend.refresh(members[0])
    backend.leave(members[-1])
    store = backend.store("round")
    store.multi_set({str(number): b"value" for number in range(20)})
    assert len(store.multi_get([str(number) for number in range(20)], 5)) == 20
    assert store.check(["1", "2"])
    assert store.add("sum", 1) == 1
    found = backend.get_state()
    assert found is not None
    waiting = threading.Thread(target=backend.wait_state, args=(found.token, 0.3))
    waiting.start()
    waiting.join()


def _ask_and_vanish(server: EtcdServer, path: str, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {server.get_endpoint()}\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection((server.get_host(), server.get_port()), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # it sends a reset at the end
        client.sendall(head.encode() + content)
        time.sleep(random.uniform(0, LONGEST_CALL))  # no condition: it is gone at any moment of the call

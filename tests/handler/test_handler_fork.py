"""A handler in a forked child: told at once that it is not the child's, whatever was locked at the fork."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from rdzv_core import RendezvousError, RendezvousHandler, RendezvousInfo
from rdzv_core._handler.probe import locks_of

CALLS: dict[str, Callable[[RendezvousHandler, RendezvousInfo], Any]] = {
    "next_rendezvous": lambda handler, info: handler.next_rendezvous(),
    "wait_for_change": lambda handler, info: handler.wait_for_change(1),
    "lease_ends_at": lambda handler, info: handler.lease_ends_at(),
    "on_lease": lambda handler, info: handler.on_lease(lambda _: None),
    "num_nodes_waiting": lambda handler, info: handler.num_nodes_waiting(),
    "is_closed": lambda handler, info: handler.is_closed(),
    "leave": lambda handler, info: handler.leave(),
    "finish": lambda handler, info: handler.finish(),
    "wait_until_over": lambda handler, info: handler.wait_until_over(1),
    "hosted_runs": lambda handler, info: handler.hosted_runs(),
    "close_run": lambda handler, info: handler.close_run(),
    "set_closed": lambda handler, info: handler.set_closed(),
    "info.peers": lambda handler, info: info.peers,
    "info.store": lambda handler, info: info.store.num_keys(),
    "info.master_addr": lambda handler, info: info.master_addr,
    "info.master_port": lambda handler, info: info.master_port,
    "store.set": lambda handler, info: info.store.set("k", b"v"),
    "store.get": lambda handler, info: info.store.get("k", 1),
    "store.compare_set": lambda handler, info: info.store.compare_set("k", None, b"v"),
    "store.add": lambda handler, info: info.store.add("n", 1),
    "store.check": lambda handler, info: info.store.check(["k"]),
    "store.wait": lambda handler, info: info.store.wait(["k"], 1),
    "store.delete_key": lambda handler, info: info.store.delete_key("k"),
    "store.num_keys": lambda handler, info: info.store.num_keys(),
    "store.multi_get": lambda handler, info: info.store.multi_get(["k"], 1),
    "store.multi_set": lambda handler, info: info.store.multi_set({"k": b"v"}),
}

HARMLESS: dict[str, Callable[[RendezvousHandler], Any]] = {
    "close": lambda handler: handler.close(),
    "shutdown": lambda handler: handler.shutdown(),
    "get_backend": lambda handler: handler.get_backend(),
    "get_run_id": lambda handler: handler.get_run_id(),
    "hosts_store": lambda handler: handler.hosts_store,
    "connected": lambda handler: handler.connected,
    "repr": repr,
    "exit": lambda handler: handler.__exit__(None, None, None),
}


def _in_child(act: Callable[[], int], handler: RendezvousHandler) -> int:
    """Return the status of `act` in a child that is forked while a thread holds all of the handler's locks."""
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as locks:
            for lock in locks_of(handler):
                locks.enter_context(lock)
            held.set()
            go.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        status = 99
        try:
            status = act()
        finally:
            os._exit(status)
    go.set()
    holder.join()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("used_before", [False, True], ids=["unused", "used before"])
@pytest.mark.parametrize("name", CALLS)
def test_a_forked_child_is_told_at_once(nodes: Any, name: str, used_before: bool) -> None:
    """A clear error from every call that would need what stayed in the parent; nothing hangs."""
    handler = nodes.make("a", 1, 1)
    info = handler.next_rendezvous()
    if used_before:
        info.store.set("k", b"v")
        if name in ("info.peers", "info.master_addr", "info.master_port"):
            return  # what is known already needs nobody

    def act() -> int:
        try:
            CALLS[name](handler, info)
        except RendezvousError as error:
            return 0 if "before a fork" in str(error) and str(os.getppid()) in str(error) else 1
        return 2

    assert _in_child(act, handler) == 0


@pytest.mark.parametrize("name", HARMLESS)
def test_a_forked_child_may_let_go_of_what_it_inherited(nodes: Any, name: str) -> None:
    """Also by the end of a `with` block; the parent's part in the round goes on."""
    handler = nodes.make("a", 1, 1)
    handler.next_rendezvous()

    def act() -> int:
        HARMLESS[name](handler)
        return 0

    assert _in_child(act, handler) == 0
    assert handler.wait_for_change(0.2) is None
    assert not handler.is_closed()

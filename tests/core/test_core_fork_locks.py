"""A backend can be created in a child that was forked while other threads created theirs."""

from __future__ import annotations

import os
import threading
import warnings

import pytest

from rdzv_core import RendezvousParameters, create_backend
from rdzv_core._decoders import decoder
from rdzv_core.registry import BackendRegistry

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.mark.parametrize("lock", ["registry", "decoders"])
def test_a_lock_of_the_process_is_not_held_in_a_child(lock, monkeypatch):
    """A thread is kept within the lock until the fork has begun to wait for it."""
    entered, leave = threading.Event(), threading.Event()

    class Slow(dict):
        def get(self, *arguments):
            entered.set()
            leave.wait(10)
            return super().get(*arguments)

        def __contains__(self, key):
            entered.set()
            leave.wait(10)
            return super().__contains__(key)

    registry = BackendRegistry()
    if lock == "registry":
        monkeypatch.setattr(registry, "_registered", Slow())
        use = lambda: registry.load("memory")  # noqa: E731
    else:
        monkeypatch.setattr("rdzv_core._decoders._decoders", Slow())
        use = lambda: decoder(dict[str, int])  # noqa: E731
    thread = threading.Thread(target=use)
    thread.start()
    assert entered.wait(10)
    threading.Timer(0.1, leave.set).start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
        child = os.fork()
    if child == 0:
        import signal

        signal.alarm(10)
        leave.set()
        use()
        create_backend(RendezvousParameters("memory", "x", "run", 1, 2)).close()
        os._exit(7)
    _, status = os.waitpid(child, 0)
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 7, "the child waits for a lock that a thread of its parent held"

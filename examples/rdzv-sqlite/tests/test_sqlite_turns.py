"""Threads of one process take turns at the database."""

import time

import pytest
import rdzv_sqlite

from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend


def test_the_wait_for_another_thread_is_within_the_timeout(tmp_path):
    """RDZV-CONN-4: one whose disk stands still holds up no other call for longer than that."""
    params = RendezvousParameters("sqlite", str(tmp_path / "rdzv.db"), "run", 1, 2)
    backend = create_backend(params)
    backend.guard.timeout = 0.5
    with rdzv_sqlite._CALLS:
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError, match="kept it locked"):
            backend.get_state()
        assert time.monotonic() - began < 10
    assert backend.get_state() is None

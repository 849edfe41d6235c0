"""The roster store: what is raised where a roster is not there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from rdzv_core import RendezvousParameters, RendezvousStateError, RendezvousTimeoutError
from rdzv_core._handler import roster_store
from rdzv_core._handler.roster_store import RosterStore
from rdzv_core.memory import MemoryBackend


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBackend]:
    """A backend with a store of its own, for which nobody waits."""
    monkeypatch.setattr(roster_store, "_PATIENCE", 0.0)
    backend = MemoryBackend.from_params(RendezvousParameters("memory", uuid.uuid4().hex, "run", 1, 1))
    yield backend
    backend.close()


def test_a_roster_that_is_not_there_is_a_state_error(backend: MemoryBackend) -> None:
    """It names the roster."""
    with pytest.raises(RendezvousStateError, match="the roster digest that the run's register names is not"):
        RosterStore(backend).whole("digest")


def test_a_page_that_is_not_there_is_a_timeout(backend: MemoryBackend) -> None:
    """It may come yet, and a node that looks up its rank looks again."""
    call = RosterStore(backend).looking_up("digest", 1, "member")
    with pytest.raises(RendezvousTimeoutError, match="not set"):
        getattr(call.target, call.method)(*call.arguments)

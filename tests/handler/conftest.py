"""Handlers on the memory backend, closed at the end, and threads to run them on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import RendezvousHandler, RendezvousInfo, RendezvousParameters, create_handler

FAST = {"last_call_timeout": 0.3, "keep_alive_interval": 1.0, "fence_delay": 0.1, "join_timeout": 20}


class Nodes:
    """Makes the nodes of one run of this test's own."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.endpoint = self.run_id = uuid.uuid4().hex
        self.made: list[RendezvousHandler] = []
        self.pool = pool

    def params(self, name: str, least: int, most: int, **config: Any) -> RendezvousParameters:
        """Return parameters for a node."""
        options = {**FAST, "node_id": name, **config}
        return RendezvousParameters("memory", self.endpoint, self.run_id, least, most, local_addr=name, **options)

    def make(self, name: str, least: int, most: int, **config: Any) -> RendezvousHandler:
        """Make a node."""
        handler = create_handler(self.params(name, least, most, **config))
        self.made.append(handler)
        return handler

    def start(self, handler: RendezvousHandler) -> Future[RendezvousInfo]:
        """Have a node ask."""
        return self.pool.submit(handler.next_rendezvous)

    def meet(self, *handlers: RendezvousHandler) -> list[RendezvousInfo]:
        """Have nodes meet, and return what each got."""
        asked = [self.start(handler) for handler in handlers]
        return [future.result(30) for future in asked]


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with ThreadPoolExecutor(64) as pool:
        made = Nodes(pool)
        yield made
        for handler in made.made:
            handler.close()

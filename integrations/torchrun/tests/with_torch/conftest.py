"""Handlers on a store in this process."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import torch.distributed.elastic.rendezvous as torch_rendezvous
from rdzv_torchrun import TorchrunHandler, create_handler


def in_thread(call: Callable[[], Any]) -> Future[Any]:
    """Return what becomes of a call on a thread of its own."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


@pytest.fixture
def begin() -> Callable[[Callable[[], Any]], Future[Any]]:
    """Return what runs a call on a thread of its own."""
    return in_thread


@pytest.fixture
def node() -> Iterator[Callable[..., TorchrunHandler]]:
    """Yield what makes a handler of one run, with a short last call."""
    run_id, made = uuid.uuid4().hex, []

    def make(nodes: str = "1:4", **config: Any) -> TorchrunHandler:
        least, _, most = nodes.partition(":")
        options = {"store": "memory", "last_call_timeout": 0.3, "timeout": 900, **config}
        params = torch_rendezvous.RendezvousParameters(
            "rdzv", run_id, run_id, int(least), int(most or least), **options
        )
        made.append(create_handler(params))
        return made[-1]

    yield make
    for handler in made:
        handler.shutdown()


@pytest.fixture
def meet() -> Callable[..., list[Any]]:
    """Return what lets handlers meet, and returns what each was told."""

    def all_at_once(*handlers: TorchrunHandler) -> list[Any]:
        futures = [in_thread(handler.next_rendezvous) for handler in handlers]
        return [future.result(60) for future in futures]

    return all_at_once

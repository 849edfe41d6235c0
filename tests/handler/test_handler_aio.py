"""The handler on an event loop: nothing blocks the loop, and a cancelled call leaves nothing behind."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rdzv_core import (
    ChangeReason,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousParameters,
)
from rdzv_core.aio import AsyncRendezvousHandler, create_handler
from rdzv_core.memory import MemoryBackend
from rdzv_core.registry import BackendRegistry

NODES = 40
"""More than asyncio's own pool has threads for."""


def _run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60.0))


def _params(nodes: int, most: int | None = None, **options: Any) -> RendezvousParameters:
    options = {"last_call_timeout": 0.2, **options}
    return RendezvousParameters("memory", f"aio-{secrets.token_hex(4)}", "run", nodes, most or nodes, **options)


async def _until(true: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    while not await true():
        await asyncio.sleep(0.01)


def _threads() -> int:
    return sum(thread.name.startswith("rdzv") for thread in threading.enumerate())


def test_more_nodes_than_the_pool_has_threads_meet_on_one_loop() -> None:
    """They wait in `next_rendezvous` and in the store: in the loop's own pool they would keep the last ones out."""

    async def node(params: RendezvousParameters) -> int:
        async with await create_handler(params) as handler:
            info = await handler.next_rendezvous()
            await handler.call(info.store.set, f"here/{info.rank}", b"")
            await handler.call(info.store.wait, [f"here/{rank}" for rank in range(info.world_size)], timeout=30.0)
            await handler.finish()
            return info.rank

    async def test() -> None:
        params = _params(NODES)
        ranks = await asyncio.gather(*(node(params) for _ in range(NODES)))
        assert sorted(ranks) == list(range(NODES))

    _run(test())


def test_the_loop_goes_on_while_a_node_waits() -> None:
    """A join that nobody answers takes none of the loop's time."""

    async def test() -> None:
        async with await create_handler(_params(2)) as handler:
            waiting = asyncio.create_task(handler.next_rendezvous())
            turns = 0
            while turns < 1000:
                await asyncio.sleep(0)
                turns += 1
            assert not waiting.done()
            await handler.leave()
            with pytest.raises(RendezvousGracefulExitError):
                await waiting

    _run(test())


def test_a_node_that_stopped_waiting_is_not_counted_on() -> None:
    """A join with a time limit of the caller's: the others do not form a round with a node that is gone."""

    async def test() -> None:
        params = _params(2, 3)
        async with await create_handler(params) as first, await create_handler(params) as second:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(first.next_rendezvous(), 0.3)
            async with await create_handler(params) as third:
                infos = await asyncio.gather(second.next_rendezvous(), third.next_rendezvous())
                assert [info.world_size for info in infos] == [2, 2]

    _run(test())


def test_a_node_whose_join_was_cancelled_joins_again() -> None:
    """Cancelled at every moment of the join, also before its thread has begun, and when the round has formed."""

    async def test() -> None:
        params = _params(1)
        for turn in range(15):
            async with await create_handler(params) as handler:
                joining = asyncio.create_task(handler.next_rendezvous())
                for _ in range(turn):
                    await asyncio.sleep(0)
                joining.cancel()
                await asyncio.wait([joining])
                assert (await handler.next_rendezvous()).world_size == 1

    _run(test())


def test_a_change_wakes_whoever_waits_for_it() -> None:
    """A node that comes; and a wait with a time limit ends without one."""

    async def test() -> None:
        params = _params(1, 2)
        async with await create_handler(params) as handler:
            await handler.next_rendezvous()
            assert await handler.wait_for_change(0.05) is None
            waiting = asyncio.create_task(handler.wait_for_change())
            async with await create_handler(params) as other:
                joining = asyncio.create_task(other.next_rendezvous())
                change = await waiting
                assert change is not None
                assert change.reason is ChangeReason.WAITING
                infos = await asyncio.gather(handler.next_rendezvous(), joining)
                assert {info.world_size for info in infos} == {2}

    _run(test())


def test_a_cancelled_wait_leaves_no_thread_behind() -> None:
    """A task that watches the round and is cancelled, over and over."""

    async def test() -> None:
        async with await create_handler(_params(1)) as handler:
            await handler.next_rendezvous()
            before = _threads()
            for _ in range(20):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(handler.wait_for_change(), 0.001)
            await _until(lambda: asyncio.sleep(0, _threads() <= before))
            assert not await handler.is_closed()

    _run(test())


def test_a_block_that_is_cancelled_leaves_and_releases_everything() -> None:
    """The task is cancelled while it works: the others are told."""
    working = threading.Event()

    async def work(params: RendezvousParameters) -> None:
        async with await create_handler(params) as handler:
            await handler.next_rendezvous()
            working.set()
            await asyncio.Event().wait()

    async def test() -> None:
        params = _params(2)
        task = asyncio.create_task(work(params))
        async with await create_handler(params) as other:
            await other.next_rendezvous()
            await asyncio.to_thread(working.wait)
            task.cancel()
            change = await other.wait_for_change()
            assert change is not None
            assert change.reason is ChangeReason.LOST
            with pytest.raises(asyncio.CancelledError):
                await task

    _run(test())


def test_a_store_that_is_away_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    """Creating a handler takes up to two seconds then; cancelled, it closes what came all the same."""
    made: list[RendezvousBackend] = []
    go_on, closed = threading.Event(), threading.Event()

    class Late(MemoryBackend):
        name = "late"

        def close(self) -> None:
            super().close()
            closed.set()

    def late(params: RendezvousParameters) -> RendezvousBackend:
        go_on.wait()
        made.append(Late(params))
        return made[-1]

    registry = BackendRegistry()
    registry.register("late", late)

    async def test() -> None:
        params = RendezvousParameters("late", "aio-late", "run", 1, 1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(create_handler(params, registry), 0.1)
        go_on.set()
        assert await asyncio.to_thread(closed.wait, 30.0)

    _run(test())
    assert len(made) == 1


def test_what_a_blocking_call_raises_is_raised() -> None:
    """A handler that is closed says so, with its own error."""

    async def test() -> None:
        handler = await create_handler(_params(1))
        assert isinstance(handler, AsyncRendezvousHandler)
        await handler.close()
        with pytest.raises(RendezvousConnectionError, match="closed"):
            await handler.next_rendezvous()
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError, match="closed"):
            await handler.wait_for_change()
        assert time.monotonic() - began < 30.0

    _run(test())

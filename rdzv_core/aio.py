"""The handler for asyncio: `async with create_handler(params) as node: info = await node.next_rendezvous()`.

Every call that may block runs on a thread of its own, so that neither the loop nor asyncio's thread pool is held up: a
node waits in `next_rendezvous` for as long as its peers take. `info.store`, `info.peers` and `info.master_port` are
those of the blocking handler, and block: `await node.call(info.store.get, key)`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rdzv_core import clock
from rdzv_core._create import create_handler as _create_handler
from rdzv_core._handler import Change, RendezvousHandler, RendezvousInfo
from rdzv_core._parameters import RendezvousParameters

if TYPE_CHECKING:
    from rdzv_core.hooks import Hooks
    from rdzv_core.registry import BackendRegistry

__all__ = ["AsyncRendezvousHandler", "create_handler"]

_LOOK_SECONDS = 1.0
"""After how long the thread of a `wait_for_change` that was cancelled notices it, at the latest."""

_AGAIN_SECONDS = 0.1

T = TypeVar("T")
_P = ParamSpec("_P")


class AsyncRendezvousHandler:
    """One node's part in one run, on an event loop. Owns `handler`; its methods do what those of that one do.

    They may be awaited by several tasks, and raise what the blocking ones raise. A call that is cancelled ends at once
    for its caller, and

    - after `next_rendezvous` the node leaves the run, so that nobody counts on it; it may join again;
    - after `wait_for_change` nothing is lost: the next call reports what has changed meanwhile;
    - after any other call, what it asked of the store may still happen.

    `async with` leaves and releases everything on exit, also when its block is cancelled.
    """

    def __init__(self, handler: RendezvousHandler) -> None:
        self.handler = handler
        """The blocking handler, for what does not block: `rank`, `endpoint`, `settings`, `lease_ends_at`, `report`."""
        self._withdrawing: threading.Thread | None = None

    async def next_rendezvous(self) -> RendezvousInfo:
        """Join: wait until a round has formed with this node in it. The work of the last round must have stopped."""
        ended, withdrawing = threading.Event(), self._withdrawing

        def join() -> RendezvousInfo:
            try:
                if withdrawing is not None:  # it would end this one as well
                    withdrawing.join()
                return self.handler.next_rendezvous()
            finally:
                ended.set()

        joining = _on_thread(join)
        try:
            return await joining
        except asyncio.CancelledError:
            self._withdrawing = _start_thread(lambda: _withdraw(self.handler, ended))
            raise

    async def wait_for_change(self, timeout: float | None = None) -> Change | None:
        """Wait until this node should stop its work and join again; None if nothing changed in `timeout` seconds."""
        cancelled = threading.Event()
        try:
            return await _on_thread(lambda: _wait(self.handler, timeout, cancelled))
        finally:
            cancelled.set()

    async def num_nodes_waiting(self) -> int:
        """Return how many nodes wait that a next round would admit, read now."""
        return await _on_thread(self.handler.num_nodes_waiting)

    async def is_closed(self) -> bool:
        """Return whether the run is closed, read now."""
        return await _on_thread(self.handler.is_closed)

    async def leave(self) -> None:
        """Take this node out of the run; the others join again without it."""
        await _on_thread(self.handler.leave)

    async def finish(self) -> None:
        """Announce that this node's work is done, successfully: the others go on undisturbed."""
        await _on_thread(self.handler.finish)

    async def close_run(self) -> None:
        """Close the run: no further round forms."""
        await _on_thread(self.handler.close_run)

    async def wait_until_over(self, timeout: float) -> bool:
        """Wait until nobody needs the store that this process hosts; False after `timeout` seconds."""
        return await _on_thread(lambda: self.handler.wait_until_over(timeout))

    async def call(self, function: Callable[_P, T], *args: _P.args, **kwargs: _P.kwargs) -> T:
        """Call a function that blocks, such as `info.store.get`, on a thread of its own, and return its result.

        Not on asyncio's pool (`asyncio.to_thread`), whose few threads may all wait for what one more call would set.
        """
        return await _on_thread(lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Release the backend and all threads without telling the others. Idempotent."""
        await _on_thread(self.handler.close)

    async def __aenter__(self) -> AsyncRendezvousHandler:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Shielded: a second cancellation does not wait for it, and does not end it either.
        await asyncio.shield(_on_thread(lambda: self.handler.__exit__(kind, error, traceback)))

    def __repr__(self) -> str:
        return f"<Async{repr(self.handler)[1:]}"


async def create_handler(
    params: RendezvousParameters, registry: BackendRegistry | None = None, hooks: Hooks | None = None
) -> AsyncRendezvousHandler:
    """Create a handler as `rdzv_core.create_handler` does, without blocking the loop.

    If it is cancelled, what was made is closed.
    """
    making = _on_thread(lambda: AsyncRendezvousHandler(_create_handler(params, registry, hooks)))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(making: asyncio.Future[AsyncRendezvousHandler]) -> None:
    if not making.cancelled() and making.exception() is None:
        _start_thread(making.result().handler.close)


def _withdraw(handler: RendezvousHandler, ended: threading.Event) -> None:
    """End a join whose caller is gone, on whichever side of its beginning or end it is."""
    handler.abandon()
    while not ended.wait(_AGAIN_SECONDS):  # its thread had not asked yet
        handler.abandon()
    handler.abandon()  # it may have got a round in between


def _wait(handler: RendezvousHandler, timeout: float | None, cancelled: threading.Event) -> Change | None:
    """Wait as `handler.wait_for_change` does, but look now and then whether anybody still wants to know."""
    until = None if timeout is None else clock.now() + timeout
    while True:
        remaining = _LOOK_SECONDS if until is None else max(0.0, until - clock.now())
        change = handler.wait_for_change(min(remaining, _LOOK_SECONDS))
        if change is not None or cancelled.is_set() or (until is not None and clock.now() >= until):
            return change


def _on_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Run `call` on a daemon thread; return a future of the running loop for its result.

    A thread for each call, and not the loop's pool: that has few threads, and waits for them when the program ends.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():  # cancelled
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            result, error = call(), None
        except BaseException as raised:  # noqa: BLE001 - it is raised where the call is awaited
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop was closed: nobody waits
            pass

    _start_thread(run)
    return future


def _start_thread(run: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=run, name="rdzv aio", daemon=True)
    thread.start()
    return thread

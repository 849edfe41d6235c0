"""An asyncio client for the methods of a backend, which are called from any thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core.authoring._after_fork import begin_again_in_a_child
from rdzv_core.authoring._guard import Call

C = TypeVar("C")
T = TypeVar("T")

_CLOSE_SECONDS = 1.0

_inherited: list[object] = []
"""What a child of a fork keeps of its parent's clients, since their finalizers would use the parent's selector."""


class AsyncClient(Generic[C]):
    """A client with coroutines, on an event loop in a thread of its own. Thread-safe.

    `connect` makes the client, on the loop, at the first call and again after one has failed; `disconnect` ends it. The
    child of a fork begins with no loop and no client, and makes its own at its first call. The thread ends with
    `close`. Together with `SharedClients` one serves all instances of a process.
    """

    def __init__(self, connect: Callable[[], Awaitable[C]], disconnect: Callable[[C], Awaitable[object]]) -> None:
        self._connect = connect
        self._disconnect = disconnect
        self._closed = False
        self._selector: selectors.BaseSelector | None
        self._loop: asyncio.AbstractEventLoop | None
        self._thread: threading.Thread | None
        self._client: C | None
        self._connecting: asyncio.Lock | None
        self._begin()
        begin_again_in_a_child(self._begin_again)

    def run(self, use: Callable[[C], Coroutine[Any, Any, T]], call: Call) -> T:
        """Run `use(client)` on the loop, and return its result; any number of threads may wait at the same time.

        Raises what it raises, and `RendezvousConnectionError` when the call's time is over, or when its guard or this
        client is closed meanwhile: the coroutine is then cancelled.
        """
        call.check()
        loop = self._running_loop()
        future = asyncio.run_coroutine_threadsafe(self._use(use), loop)
        try:
            with call.interruptible(lambda: _cancel(future)):
                return future.result(call.left)
        except concurrent.futures.CancelledError as error:
            call.check()
            raise RendezvousConnectionError("the client was closed while a call waited for it") from error
        except concurrent.futures.TimeoutError:
            if future.done():  # raised by the coroutine
                raise
            call.check()
            raise
        finally:
            future.cancel()

    def close(self) -> None:
        """Cancel what is running, disconnect, and end the thread. Idempotent."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            ending = asyncio.run_coroutine_threadsafe(self._end(), loop)
            concurrent.futures.wait([ending], _CLOSE_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_SECONDS)

    def _begin_again(self) -> None:
        # An epoll instance is shared over a fork: what the child unregisters is gone from the parent's as well.
        if self._selector is not None:
            self._selector.close()  # the child's descriptor of it
        _inherited.append((self._loop, self._client, self._tasks))
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._selector = None
        self._loop = self._thread = self._client = self._connecting = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RendezvousConnectionError("this client was closed: create a new backend")
            if self._loop is None:
                self._selector = selectors.DefaultSelector()
                loop = self._loop = asyncio.SelectorEventLoop(self._selector)
                self._thread = threading.Thread(target=_serve, args=[loop], name="rdzv async client", daemon=True)
                self._thread.start()
            return self._loop

    async def _use(self, use: Callable[[C], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await use(await self._connected())
        finally:
            self._tasks.discard(task)

    async def _connected(self) -> C:
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
            return self._client

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        client, self._client = self._client, None
        if client is not None:
            await self._disconnect(client)


def _cancel(future: concurrent.futures.Future[Any]) -> None:
    future.cancel()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()

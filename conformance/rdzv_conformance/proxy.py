"""A TCP proxy between a backend and its store that stalls, cuts and swallows answers on command."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

CHUNK = 64 * 1024


class Proxy:
    """Forwards a port of 127.0.0.1 to `host:port` until it is told not to. A context manager; thread-safe."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._swallow_after: int | None = None
        self._swallowed = 0
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="rdzv-conformance-proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.resume()
        self.restore()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def swallowed(self) -> int:
        """The number of answers swallowed so far."""
        return self._swallowed

    def pause(self) -> None:
        """Hold back everything in both directions; connections stay open and new ones are taken."""
        self._do(self._flowing.clear)

    def resume(self) -> None:
        """Forward again, first what was held back."""
        self._do(self._flowing.set)

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def restore(self) -> None:
        """Take connections again, on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def swallow_answer(self, after: int) -> None:
        """Let `after` more answers pass, swallow the next one and reset its connection; then forward as before."""
        self._do(lambda: setattr(self, "_swallow_after", after))

    def _do(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        pumps = list(self._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        self._writers.add(writer)
        try:
            store_reader, store_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
        else:
            self._writers.add(store_writer)
            both = (self._pump(reader, store_writer, self._request), self._pump(store_reader, writer, self._answer))
            try:
                await asyncio.gather(*both)
            except asyncio.CancelledError:
                pass  # by a cut, which has reset both sides
            self._writers.discard(store_writer)
        finally:
            self._writers.discard(writer)
            self._pumps.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Callable[[], bool]
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                if not passes():
                    for each in list(self._writers):
                        _reset(each)
                    return
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        else:
            writer.close()

    def _request(self) -> bool:
        return True

    def _answer(self) -> bool:
        if self._swallow_after is None:
            return True
        if self._swallow_after > 0:
            self._swallow_after -= 1
            return True
        self._swallow_after = None
        self._swallowed += 1
        return False


def _reset(writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        # A linger of zero makes the close a reset, as after the crash of a machine's process.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

"""A TCP proxy between a backend and its store that, on command, stalls, cuts, dribbles, half-opens and swallows."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

CHUNK = 64 * 1024


class Proxy:
    """Forwards a port of 127.0.0.1 to `host:port` until it is told not to. A context manager; thread-safe.

    `listen` is another address of this machine to listen at.
    """

    def __init__(self, host: str, port: int, listen: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._listen_at = listen
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._answering = asyncio.Event()
        self._holding = threading.Event()
        self._hold_after: int | None = None
        self._silent: set[asyncio.StreamWriter] = set()
        self._pairs: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._swallow_after: int | None = None
        self._swallowed = 0
        self._cut_answer: int | None = None
        self._cut_request: int | None = None
        self._cut_in_order = False
        self._cuts = 0
        self._piece = CHUNK
        self._pause = 0.0
        self._answers_only = False
        self._late = 0.0
        self._recorded: list[bytearray] = []
        self._recording = False
        self.port: int = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="rdzv-conformance-proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.resume()
        self.release_answers()
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

    def hold_answers(self, after: int = 0) -> None:
        """Let `after` more answers pass, then hold back answers alone: requests reach the store and are done."""

        def hold() -> None:
            self._holding.clear()
            self._hold_after = after

        self._do(hold)

    def await_held(self, seconds: float) -> bool:
        """Wait until an answer is held back, at most `seconds`; return whether one is."""
        return self._holding.wait(seconds)

    def release_answers(self) -> None:
        """Forward answers again, first those that were held back."""

        def release() -> None:
            self._hold_after = None
            self._answering.set()

        self._do(release)

    def dribble(self, piece: int, seconds: float, *, answers_only: bool = False) -> None:
        """From now on forward in pieces of `piece` bytes, `seconds` apart; requests too, unless `answers_only`."""
        self._do(lambda: self.__dict__.update(_piece=piece, _pause=seconds, _answers_only=answers_only))

    def record(self) -> None:
        """From now on keep what passes, each direction of each connection by itself: see `recorded`."""
        self._do(lambda: setattr(self, "_recording", True))

    @property
    def recorded(self) -> list[bytes]:
        """What passed since `record` was called."""
        return [bytes(each) for each in self._recorded]

    def delay_answers(self, seconds: float) -> None:
        """From now on forward each answer `seconds` after it came."""
        self._do(lambda: setattr(self, "_late", seconds))

    def half_open(self) -> None:
        """Let the store's end of every connection be gone, without a word to the client; new ones work."""

        def lose() -> None:
            for client, store in self._pairs.items():
                self._silent.add(client)
                _reset(store)

        self._do(lose)

    def cut_within_answer(self, length: int, *, in_order: bool = False) -> None:
        """Let the first `length` bytes of the next answers pass, and reset every connection, or end it in order."""
        self._do(lambda: self.__dict__.update(_cut_answer=length, _cut_in_order=in_order))

    def cut_within_request(self, length: int) -> None:
        """Let the first `length` bytes of the next request pass and reset every connection."""
        self._do(lambda: setattr(self, "_cut_request", length))

    @property
    def cuts(self) -> int:
        """The number of answers and requests cut so far."""
        return self._cuts

    def cut(self, *, in_order: bool = False) -> None:
        """Reset every connection, or end it `in_order`, as a process does that ends, and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._cut(in_order), self._loop).result()

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
        self._server = await asyncio.start_server(self._take, self._listen_at, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self, in_order: bool) -> None:
        if self._server is not None:
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            # What was taken a moment ago has its transport before the server is closed: later it would get none, and
            # its socket would be closed by nobody.
            await asyncio.sleep(0)
            self._server.close()
            self._server = None
        # All tasks and not the known pumps alone: a connection may have been taken a moment ago.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.sleep(0)  # each takes its first step: one that is cancelled before that closes nothing
            for writer in list(self._writers):
                _end(writer) if in_order else _reset(writer)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            store_reader, store_writer = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        else:
            self._writers.add(store_writer)
            self._pairs[writer] = store_writer
            both = (self._pump(reader, store_writer, False), self._pump(store_reader, writer, True))
            try:
                await asyncio.gather(*both)
            except asyncio.CancelledError:
                pass  # by a cut, which has reset both sides
            self._writers.discard(store_writer)
            self._pairs.pop(writer, None)
        finally:
            if writer in self._silent:
                _reset(writer)
            self._silent.discard(writer)
            self._writers.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        passed = bytearray()
        self._recorded.append(passed)
        try:
            while data := await reader.read(CHUNK):
                if self._recording:
                    passed += data
                await self._flowing.wait()
                if answers:
                    await self._passage()
                length = self._length(len(data), answers)
                await self._deliver(writer, data[:length], answers)
                if length < len(data):
                    for each in list(self._writers):
                        _end(each) if answers and self._cut_in_order else _reset(each)
                    return
        except (OSError, asyncio.CancelledError):
            if writer not in self._silent and not writer.is_closing():
                _reset(writer)
        else:
            if writer not in self._silent:
                writer.close()

    async def _deliver(self, writer: asyncio.StreamWriter, data: bytes, answers: bool) -> None:
        if answers and self._late:
            # By a clock of its own: what comes behind it meanwhile is no later for that.
            self._loop.call_later(self._late, _write, writer, data)
            return
        if self._answers_only and not answers:
            writer.write(data)
            await writer.drain()
            return
        for start in range(0, len(data), self._piece):
            writer.write(data[start : start + self._piece])
            await writer.drain()
            await asyncio.sleep(self._pause)

    async def _passage(self) -> None:
        """Wait for as long as answers are held back."""
        if self._hold_after is not None:
            if self._hold_after == 0:
                self._answering.clear()
                self._holding.set()
            else:
                self._hold_after -= 1
        await self._answering.wait()

    def _length(self, length: int, answers: bool) -> int:
        """Return how many of the received bytes are forwarded; fewer than all end in a reset."""
        attribute = "_cut_answer" if answers else "_cut_request"
        limit: int | None = getattr(self, attribute)
        if limit is not None:
            left = limit - length
            setattr(self, attribute, left if left >= 0 else None)
            self._cuts += left < 0
            return min(limit, length)
        return 0 if answers and not self._answer() else length

    def _answer(self) -> bool:
        if self._swallow_after is None:
            return True
        if self._swallow_after > 0:
            self._swallow_after -= 1
            return True
        self._swallow_after = None
        self._swallowed += 1
        return False


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


def _end(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.write_eof()  # first of all: a close is a reset where something lies unread
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    transport = writer.transport
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        # A linger of zero makes the close a reset, as after the crash of a machine's process.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

"""Thousands of nodes in one process, without a thread for each.

The library's state machine and its tcp calls on asyncio, with a separate connection for every node.

Run as a process: `python -m benchmarks._clients ENDPOINT RUN TOTAL FIRST COUNT`. It prints ready, and meets when it
reads a line.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any, cast

from rdzv_tcp import TcpBackend
from rdzv_tcp._client.client import Reply
from rdzv_tcp._client.pending_calls import Ask, Steps
from rdzv_tcp._client.session import Session
from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._protocol import HEADER, NONCE_BYTES, PROTOCOL, Answer, Hello, Request, decode_answer, framed

from rdzv_core import RendezvousParameters, clock
from rdzv_core._handler import operations
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core._handler.watcher import AGED_BY_THE_STORE
from rdzv_core.abc import OnDone
from rdzv_core.endpoint import parse_endpoint

AT_ONCE = 100


class Connection(asyncio.Protocol):
    """One connection; each answer goes to the caller that asked."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._asked: dict[int, Callable[[Answer], None]] = {}
        self._last = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, request_id = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            self._asked.pop(request_id)(decode_answer(body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._asked:
            sys.exit(f"the server closed a connection: {error}")

    def ask(self, request: Request, told: Callable[[Answer], None]) -> None:
        """Send a request."""
        self._last += 1
        self._asked[self._last] = told
        self.transport.write(framed(self._last, request))


class LoopSession:
    """What a backend needs from a session, on one asyncio connection. `run` and `write` are for other threads."""

    durable = guarded = closed = False
    read_timeout = 60.0
    asking = Session.asking
    waiting = Session.waiting

    def __init__(self, endpoint: str, connection: Connection) -> None:
        self.endpoint = endpoint
        self._connection = connection
        self._name = secrets.token_bytes(NONCE_BYTES)
        self._loop = asyncio.get_running_loop()

    def settle(self) -> bytes:
        """Return the name of this node: its connection is always read."""
        return self._name

    def submit(self, steps: Steps[Any], done: OnDone) -> None:
        """Run a call's steps."""
        self._go_on(lambda: next(steps), steps, done)

    def run(self, steps: Steps[Any]) -> Any:
        """Run a call's steps, waiting for each answer."""
        try:
            ask = next(steps)
            while True:
                ask = steps.send(self._wait_for(ask.make()))
        except StopIteration as stop:
            return stop.value

    def write(self, request: Request) -> Reply:
        """Send a write and wait for its answer."""
        return Reply(self._wait_for(request), False)

    def close(self) -> None:
        """End the connection."""
        self._loop.call_soon_threadsafe(self._connection.transport.close)

    def _go_on(self, step: Callable[[], Ask], steps: Steps[Any], done: OnDone) -> None:
        try:
            ask = step()
        except StopIteration as stop:
            done(stop.value, None)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            done(None, error)
        else:
            self._connection.ask(ask.make(), lambda answer: self._go_on(lambda: steps.send(answer), steps, done))

    def _wait_for(self, request: Request) -> Answer:
        async def ask() -> Answer:
            answer: asyncio.Future[Answer] = self._loop.create_future()
            self._connection.ask(request, answer.set_result)
            return await answer

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()


class Node:
    """One node of the run: the real state machine, driven by the event loop."""

    def __init__(self, params: RendezvousParameters, connection: Connection) -> None:
        session = LoopSession(params.endpoint, connection)
        self._adapter = StoreAdapter(TcpBackend(params, cast("Session", session)))
        settings = HandlerSettings.from_params(params)
        self._machine = Machine(settings, random=random.Random(), place_checks=AGED_BY_THE_STORE)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.assigned: asyncio.Future[operations.Assignment] = self._loop.create_future()

    def ask(self) -> None:
        """Ask for a round."""
        self._machine.ask(clock.now())
        self._after()

    def _after(self) -> None:
        for outcome in self._machine.take_outcomes():
            if isinstance(outcome, operations.RoundJoined):
                self.assigned.set_result(outcome.held)
            elif isinstance(outcome, operations.Failed):
                self.assigned.set_exception(outcome.error)
        for operation in self._machine.take_operations():
            self._start(operation)
        if self._timer is not None:
            self._timer.cancel()
        wait = min(60.0, max(0.0, self._machine.wake_at - clock.now()))
        self._timer = self._loop.call_later(wait, self._tick)

    def _start(self, operation: operations.Operation) -> None:
        if self._adapter.begin(operation, lambda result, error: self._ended(operation, result, error)):
            return
        thread = self._loop.run_in_executor(None, self._adapter.perform, operation)
        thread.add_done_callback(lambda one: self._ended(operation, one.result(), None))

    def _ended(self, operation: operations.Operation, result: Any, error: Exception | None) -> None:
        # Not at once: a submitted call may end before the machine has noted that it began.
        self._loop.call_soon(self._take_in, operation, result, error)

    def _take_in(self, operation: operations.Operation, result: Any, error: Exception | None) -> None:
        if error is None:
            self._machine.done(operation, result, clock.now())
        else:
            self._machine.failed(operation, error, clock.now())
        self._after()

    def _tick(self) -> None:
        self._machine.tick(clock.now())
        self._after()


async def greeted(host: str, port: int) -> Connection:
    """Return a connection on which the server has said welcome."""
    loop = asyncio.get_running_loop()
    welcome: asyncio.Future[Answer] = loop.create_future()
    _, connection = await loop.create_connection(Connection, host, port)
    here = address_of(connection.transport.get_extra_info("sockname"))
    connection.ask(Hello(PROTOCOL, b"", here), welcome.set_result)
    await welcome
    return connection


async def connected(host: str, port: int, count: int) -> list[Connection]:
    """Connect so many, a few at a time."""
    found: list[Connection] = []
    while len(found) < count:
        found += await asyncio.gather(*(greeted(host, port) for _ in range(min(AT_ONCE, count - len(found)))))
    return found


async def main() -> None:
    """Connect, print ready, and meet on the next line of stdin."""
    endpoint, run_id, total, first, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    there = parse_endpoint(endpoint, 29400)
    options = {"is_host": False, "join_timeout": 300.0}
    nodes = []
    for number, connection in enumerate(await connected(there.host, there.port, count), first):
        address = f"host{number}"
        params = RendezvousParameters("tcp", endpoint, run_id, total, total, local_addr=address, **options)
        nodes.append(Node(params, connection))
    print(json.dumps("ready"), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for node in nodes:
        node.ask()
        await asyncio.sleep(0)
    assignments = await asyncio.gather(*(node.assigned for node in nodes))
    ended = time.monotonic()
    places = [(one.round, one.rank, one.size) for one in assignments]
    print(json.dumps({"ended": ended, "places": places}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main())

"""Thousands of clients in one process: bare connections that speak the wire format, without the library's client.

Run as a process: `python -m benchmarks._herd waiters|members|renewals endpoint key count`.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
import sys
import time

from rdzv_tcp._protocol import HEADER, PROTOCOL, Enter, Hello, Members, Message, Renew, Wait, encode, frame

from rdzv_core.endpoint import parse_endpoint

TTL = 15.0
AT_ONCE = 200


class Connection(asyncio.Protocol):
    """One connection. Only the headers of answers are read, not their bodies."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._asked: dict[int, asyncio.Future[int]] = {}
        self._last = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, request_id = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < HEADER.size + length:
                return
            del self._buffer[: HEADER.size + length]
            self._asked.pop(request_id).set_result(length)

    def ask(self, request: Message) -> asyncio.Future[int]:
        """Send a request; return a future of the length of its answer's body."""
        self._last += 1
        self._asked[self._last] = answer = self._loop.create_future()
        self.transport.write(frame(self._last, encode(request)))
        return answer


async def connected(host: str, port: int, count: int) -> list[Connection]:
    """Connect so many, and send hello."""
    loop = asyncio.get_running_loop()
    found: list[Connection] = []
    while len(found) < count:
        pairs = [loop.create_connection(Connection, host, port) for _ in range(min(AT_ONCE, count - len(found)))]
        fresh = [connection for _, connection in await asyncio.gather(*pairs)]
        await asyncio.gather(*(one.ask(Hello(PROTOCOL)) for one in fresh))
        found += fresh
    return found


async def waiters(herd: list[Connection], key: str) -> None:
    """Wait for `key` on each connection, again and again; print when the last one woke, by `time.monotonic`."""
    while True:
        waits = [one.ask(Wait(key, None, 60.0)) for one in herd]
        # This answer was asked for after the wait, so the server has the wait.
        await asyncio.gather(*(one.ask(Members("", 0, 0)) for one in herd))
        print("waiting", flush=True)
        sizes = await asyncio.gather(*waits)
        print(time.monotonic(), min(sizes), flush=True)
        if not await asyncio.to_thread(sys.stdin.readline):
            return


async def member(connection: Connection, key: str, entered: asyncio.Event, busy: bool) -> None:
    """Renew three times per ttl; if `busy`, also wait for the head and check the place, as a node at work does."""
    name = secrets.token_bytes(16)
    await connection.ask(Enter("run-" + key, name, bytes(100), TTL, name))
    await entered.wait()
    sequence, now = 0, time.monotonic()
    renew_at, look_at, wait_until = (now + part * TTL * random.random() for part in (1 / 3, 1, 2))
    waiting = connection.ask(Wait(key, None, wait_until - now if busy else 3600.0))
    if not busy:
        look_at = wait_until = math.inf
    while True:
        due = min(renew_at, look_at, wait_until)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if due == renew_at:
            sequence += 1
            await connection.ask(Renew(name, sequence, None))
            renew_at += TTL / 3
        elif due == look_at:
            await connection.ask(Members("run-" + key, 0, 3))
            look_at += TTL * random.uniform(1.0, 1.5)
        else:
            await waiting
            waiting = connection.ask(Wait(key, None, 2 * TTL))
            wait_until += 2 * TTL


async def members(herd: list[Connection], key: str, busy: bool) -> None:
    """Be members until stdin ends."""
    entered = asyncio.Event()
    tasks = [asyncio.create_task(member(one, key, entered, busy)) for one in herd]
    await herd[0].ask(Members("", 0, 0))
    entered.set()
    print("there", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()


async def main(what: str, endpoint: str, key: str, count: int) -> None:
    """Connect, and be waiters or members."""
    there = parse_endpoint(endpoint, 0)
    herd = await connected(there.host, there.port, count)
    await (waiters(herd, key) if what == "waiters" else members(herd, key, busy=what == "members"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))

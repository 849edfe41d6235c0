"""A relay that counts bytes: `python -m benchmarks._meter HOST:PORT`; it answers each line on stdin with the count."""

from __future__ import annotations

import asyncio
import sys


async def main() -> None:
    """Print the address, then for each line on stdin the bytes relayed so far, both ways together."""
    host, _, port = sys.argv[1].rpartition(":")
    passed = 0

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        nonlocal passed
        while data := await source.read(64 * 1024):
            passed += len(data)
            sink.write(data)
            await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(passed, flush=True)


if __name__ == "__main__":
    asyncio.run(main())

"""One request and its whole answer over a connection, in HTTP/1.1.

Connecting, TLS and streams are urllib3's. It takes some 0.3 ms of a processor for an answer, most of it to parse the
headers as those of an e-mail; here only the few are looked at that tell where the answer ends.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from urllib3.connection import HTTPConnection

_LONGEST_LINE = 65536
_MOST_LINES = 1000
_NEEDED = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class Answer(NamedTuple):
    """An answer's status and body; `reusable` if its connection may carry another request."""

    status: int
    body: bytes
    reusable: bool


def exchange(connection: HTTPConnection, path: str, payload: bytes, headers: Mapping[str, str]) -> Answer:
    """Post `payload` and return the answer; connects first if need be.

    Raises `OSError` or `http.client.HTTPException`; the connection is of no use after that.
    """
    if connection.sock is None:
        connection.connect()
    sock = connection.sock
    assert sock is not None
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    fields = {"Host": f"{host}:{connection.port}", "Content-Length": str(len(payload)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    sock.sendall("\r\n".join(lines).encode("latin-1") + payload)
    with sock.makefile("rb") as answer:
        return read_answer(answer)


def read_answer(answer: BinaryIO) -> Answer:
    """Read an answer to its end; raises `OSError` or `http.client.HTTPException`."""
    version, status = _read_status(answer)
    fields = _read_fields(answer)
    while 100 <= status < 200:  # an interim answer, which the real one follows
        version, status = _read_status(answer)
        fields = _read_fields(answer)
    reusable = version == b"HTTP/1.1" and b"close" not in fields.get(b"connection", b"").lower()
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return Answer(status, _read_chunks(answer), reusable)
    length = fields.get(b"content-length")
    if length is None:
        return Answer(status, answer.read(), False)
    return Answer(status, _read_exactly(answer, _size(length, 10)), reusable)


def _read_status(answer: BinaryIO) -> tuple[bytes, int]:
    line = answer.readline(_LONGEST_LINE)
    if not line:
        raise http.client.RemoteDisconnected("the connection was closed without an answer")
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/") or not rest[:3].isdigit():
        raise http.client.BadStatusLine(line.decode("latin-1").strip())
    return version, int(rest[:3])


def _read_fields(answer: BinaryIO) -> dict[bytes, bytes]:
    """Return those of `_NEEDED`, by their names in lower case."""
    fields: dict[bytes, bytes] = {}
    for _ in range(_MOST_LINES):
        line = _read_line(answer)
        if not line:
            return fields
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _NEEDED:
            fields[name] = value.strip()
    raise http.client.HTTPException(f"an answer with more than {_MOST_LINES} header lines")


def _read_chunks(answer: BinaryIO) -> bytes:
    chunks = []
    while size := _size(_read_line(answer).partition(b";")[0], 16):
        chunks.append(_read_exactly(answer, size))
        _read_line(answer)
    _read_fields(answer)
    return b"".join(chunks)


def _read_line(answer: BinaryIO) -> bytes:
    line = answer.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise http.client.IncompleteRead(line)
    return line.strip()


def _read_exactly(answer: BinaryIO, size: int) -> bytes:
    data = answer.read(size)
    if len(data) < size:
        raise http.client.IncompleteRead(data, size - len(data))
    return data


def _size(digits: bytes, base: int) -> int:
    try:
        size = int(digits, base)
    except ValueError:
        size = -1
    if size < 0:
        raise http.client.HTTPException(f"an answer whose length is {digits[:40]!r}")
    return size

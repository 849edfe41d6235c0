"""One request to one endpoint, and its answer or the messages of its answer."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator, Iterator
from typing import Any

from urllib3.response import BaseHTTPResponse

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.errors import TRANSPORT_ERRORS, UnansweredError, failed_answer
from rdzv_etcd._client.exchange import exchange
from rdzv_etcd._client.pool import ConnectionPool
from rdzv_etcd._client.scope import CancelScope


class Transport:
    """HTTP to etcd's JSON gateway over a pool of connections. Thread-safe.

    Raises `UnansweredError` or `RefusedError`.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.scheme = "http" if tls is None else "https"
        self.pool: ConnectionPool = ConnectionPool(tls)

    def post(
        self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes, authorization: str
    ) -> dict[str, Any]:
        """Send a request and return its answer."""
        connection = self.pool.acquire(endpoint)
        try:
            answer = exchange(connection, path, payload, _headers(authorization))
        except TRANSPORT_ERRORS as error:
            connection.close()
            raise UnansweredError(endpoint, scope.sent, error) from error
        except BaseException:
            connection.close()
            raise
        if answer.reusable:
            self.pool.release(endpoint, connection)
        else:
            connection.close()
        return _decode(endpoint, answer.status, answer.body)

    def stream(
        self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes, authorization: str
    ) -> Generator[dict[str, Any], None, None]:
        """Send a request and yield the messages of its answer as they come; ends only by raising."""
        connection = self.pool.acquire(endpoint)
        response: BaseHTTPResponse | None = None
        try:
            # etcd's HTTP server throws away what it has not read of a request when it begins to answer, unless the
            # connection is to be closed: without this, watches of a stream that begins with several got lost.
            headers = _headers(authorization) | {"Connection": "close"}
            connection.request("POST", path, payload, headers, preload_content=False)
            response = connection.getresponse()
            if response.status != 200:
                _decode(endpoint, response.status, response.read())
            for line in _lines(response):
                yield _decode(endpoint, response.status, line)
            raise UnansweredError(endpoint, scope.sent, ConnectionError("the stream of changes ended"))
        except TRANSPORT_ERRORS as error:
            raise UnansweredError(endpoint, scope.sent, error) from error
        finally:
            connection.close()  # an unfinished stream leaves nothing that another request could be sent on
            if response is not None:
                response.close()  # it owns the socket where the other side announced `Connection: close`


def _headers(authorization: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "rdzv-etcd"}
    return headers | {"Authorization": authorization} if authorization else headers


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield each line as soon as it is complete."""
    rest = b""
    for chunk in response.stream():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _decode(endpoint: HostPort, status: int, data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    raise failed_answer(endpoint, status, answer, data[:100].decode("utf-8", "replace").strip())

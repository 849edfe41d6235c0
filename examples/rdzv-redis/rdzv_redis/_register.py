"""The register: a string under `params.key`, compared and set by a script."""

import hashlib
from typing import Any

from redis import exceptions as redis_errors
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError

from rdzv_core import (
    Option,
    RendezvousConfigurationError,
    RendezvousError,
    RendezvousParameters,
    RendezvousStateError,
)
from rdzv_core.authoring import VersionedBackend
from rdzv_core.endpoint import parse_endpoint
from rdzv_redis._client import CLIENTS, Address

PORT = 6379
CALL_TIMEOUT = Option("call_timeout", float, 20.0, "seconds that a call may take, connecting included", positive=True)
USERNAME = Option("username", str, None, "the user of an access control list; without it the default one")
DURABLE = Option("durable", bool, False, "whether the server was started with appendonly yes and appendfsync always")
PASSWORD = Option("password", str, None, "the password of the user, or of the server", secret=True)

# Each change is announced on the channel that has the name of the key, by the server: so no writer can die in between.
IF_STILL = """
local there = redis.call('GET', KEYS[1])
if (there and redis.sha1hex(there) or '') ~= ARGV[1] then return 0 end
"""
WRITE = IF_STILL + "redis.call('SET', KEYS[1], ARGV[2]); redis.call('PUBLISH', KEYS[1], ''); return 1"
DELETE = IF_STILL + "redis.call('DEL', KEYS[1]); redis.call('PUBLISH', KEYS[1], ''); return 1"


class RedisRegister(VersionedBackend):
    """A register whose version is the SHA-1 of what is stored, which Redis can compute as well."""

    name = "redis"
    options = (CALL_TIMEOUT, USERNAME, PASSWORD, DURABLE)
    # Not all of RedisError: a DataError, say, is a mistake in this program, and no fault of server or connection.
    store_errors = (
        redis_errors.ConnectionError,
        redis_errors.TimeoutError,
        redis_errors.ResponseError,
        redis_errors.InvalidResponse,
        OSError,
    )

    def __init__(self, params: RendezvousParameters) -> None:
        host, port = parse_endpoint(params.endpoint, PORT)
        super().__init__(params, CALL_TIMEOUT.of(params))
        self.durable = DURABLE.of(params)
        address = Address(host, port, USERNAME.optional(params), PASSWORD.optional(params))
        self._hold = CLIENTS.hold(address)

    def read(self) -> tuple[bytes, str] | None:
        raw = self.send("GET", self.params.key)
        return None if raw is None else (raw, hashlib.sha1(raw, usedforsecurity=False).hexdigest())

    def write_if(self, raw: bytes, version: str | None) -> bool:
        return bool(self.run(WRITE, [self.params.key], version or "", raw))

    def delete_if(self, version: str) -> bool:
        return bool(self.run(DELETE, [self.params.key], version))

    def error_of(self, error: Exception) -> RendezvousError:
        if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)) or "NOAUTH" in str(error):
            text = f"{self.where} refused this node: {error}; check the options username and password"
            return RendezvousConfigurationError(text)
        if "WRONGTYPE" in str(error):
            return RendezvousStateError(f"{self.where}, key {self.params.key}: {error}; delete it, or use a new run id")
        return super().error_of(error)

    def released(self) -> None:
        self._hold.release()

    def send(self, *command: str | bytes | float) -> Any:
        """Send a command within the call that this thread is in."""
        return self._hold.client().execute(self.current_call(), *command)

    def run(self, script: str, keys: list[str], *arguments: str | bytes | float) -> Any:
        """Run a script within the call that this thread is in."""
        return self.send("EVAL", script, len(keys), *keys, *arguments)

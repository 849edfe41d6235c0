"""The shared secret, proved by challenge and response. Nothing here touches a socket.

Each side proves with an HMAC over both sides' challenges that it knows the secret, the client first. The secret itself
is never sent. Protocol version and role are part of what is proved: no proof serves twice, nor for the other side.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final, Literal

from rdzv_tcp._server_messages import CHALLENGE_BYTES, Challenge, Proof
from rdzv_tcp._wire import PROTOCOL, Hello, Request, Welcome, WireError

Role = Literal["client", "server"]

_NONE_HERE: Final = (
    "the client has a secret (auth_token), this server has none: give the server the same one, or the client none"
)
_NONE_THERE: Final = "this server asks for a shared secret, the client has none: give it auth_token or auth_token_file"
_WRONG: Final = "the client's secret is not this server's: give both the same auth_token"


class Denied(WireError):  # noqa: N818 - a verdict, as it reads where it is raised
    """The peer has no business here."""


def prove(secret: bytes, role: Role, client_challenge: bytes, server_challenge: bytes) -> bytes:
    """Give the proof of one side, for these two challenges and no others."""
    text = b"rdzv-tcp %d %b\0%b%b" % (PROTOCOL, role.encode(), client_challenge, server_challenge)
    return hmac.digest(secret, text, hashlib.sha256)


def new_challenge() -> bytes:
    """Give what a proof has to be made for: random, never used again."""
    return secrets.token_bytes(CHALLENGE_BYTES)


class Greeting:
    """What one connection says before it is served. `take` is given its messages until it gives a `Welcome`."""

    def __init__(self, secret: bytes | None, welcome: Callable[[bytes], Welcome]) -> None:
        self._secret = secret
        self._welcome = welcome
        self._asked: tuple[bytes, bytes] | None = None

    def take(self, request: Request) -> Challenge | Welcome:
        """Answer a message; raises `WireError` for one that is out of place, `Denied` for wrong credentials."""
        if isinstance(request, Hello) and self._asked is None:
            return self._hello(request)
        if isinstance(request, Proof) and self._asked is not None:
            return self._proof(request, *self._asked)
        raise WireError(
            "the first message must be a hello"
            if self._asked is None
            else "what follows a challenge must be the proof that the client knows the secret"
        )

    def _hello(self, hello: Hello) -> Challenge | Welcome:
        if hello.protocol != PROTOCOL:
            raise WireError(
                f"this server speaks protocol version {PROTOCOL}, the client version {hello.protocol}: "
                "install the same version of rdzv-tcp on both sides"
            )
        if self._secret is None:
            if hello.challenge:
                raise Denied(_NONE_HERE)
            return self._welcome(b"")
        if not hello.challenge:
            raise Denied(_NONE_THERE)
        if len(hello.challenge) != CHALLENGE_BYTES:
            raise WireError(f"a challenge has {CHALLENGE_BYTES} bytes, not {len(hello.challenge)}")
        challenge = new_challenge()
        self._asked = (hello.challenge, challenge)
        return Challenge(challenge)

    def _proof(self, proof: Proof, client_challenge: bytes, server_challenge: bytes) -> Welcome:
        assert self._secret is not None
        if not hmac.compare_digest(proof.proof, prove(self._secret, "client", client_challenge, server_challenge)):
            raise Denied(_WRONG)
        return self._welcome(prove(self._secret, "server", client_challenge, server_challenge))

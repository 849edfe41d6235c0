"""The server's side of the handshake: hello, the proofs of the secret, welcome."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from rdzv_tcp._protocol.frames import WireError
from rdzv_tcp._protocol.handshake_messages import CHALLENGE_BYTES, PROTOCOL, Challenge, Hello, Proof, Welcome
from rdzv_tcp._protocol.messages import Request
from rdzv_tcp._protocol.proofs import new_challenge, prove

_NONE_HERE: Final = (
    "the client has a secret (auth_token), and this server has none: give the server the same one, or the client none"
)
_NONE_THERE: Final = (
    "this server asks for a shared secret, and the client has none: give it auth_token or auth_token_file"
)
_WRONG: Final = "the client's secret is not this server's: give both the same auth_token"


class AccessDenied(WireError):  # noqa: N818 - a verdict, as it reads where it is raised
    """The peer has no business here."""


class ServerHandshake:
    """What one connection says before it is served. `take` is given its messages until it gives a `Welcome`."""

    def __init__(self, secret: bytes | None, welcome: Callable[[bytes], Welcome]) -> None:
        self._secret = secret
        self._welcome = welcome
        self._asked: tuple[bytes, bytes] | None = None

    def take(self, request: Request) -> Challenge | Welcome:
        """Answer a message. Raises `WireError` for one that is out of place, `AccessDenied` for wrong credentials."""
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
                raise AccessDenied(_NONE_HERE)
            return self._welcome(b"")
        if not hello.challenge:
            raise AccessDenied(_NONE_THERE)
        if len(hello.challenge) != CHALLENGE_BYTES:
            raise WireError(f"a challenge has {CHALLENGE_BYTES} bytes, not {len(hello.challenge)}")
        challenge = new_challenge()
        self._asked = (hello.challenge, challenge)
        return Challenge(challenge)

    def _proof(self, proof: Proof, client_challenge: bytes, server_challenge: bytes) -> Welcome:
        assert self._secret is not None
        if not hmac.compare_digest(proof.proof, prove(self._secret, "client", client_challenge, server_challenge)):
            raise AccessDenied(_WRONG)
        return self._welcome(prove(self._secret, "server", client_challenge, server_challenge))

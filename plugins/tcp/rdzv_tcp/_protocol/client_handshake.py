"""The client's side of the handshake: hello, the proofs of the secret, and what makes a welcome valid."""

from __future__ import annotations

import hmac

from rdzv_tcp._protocol.handshake_messages import PROTOCOL, Challenge, Hello, Proof, Welcome
from rdzv_tcp._protocol.messages import Answer
from rdzv_tcp._protocol.proofs import new_challenge, prove


class HandshakeError(Exception):
    """What answers there is not a server that this client can use; trying again would not help."""


class ClientHandshake:
    """Makes what one connection says first. `take` is given each answer until it returns a `Welcome`."""

    def __init__(self, secret: bytes | None, address: str) -> None:
        self._secret = secret
        self._address = address
        self._challenge = b"" if secret is None else new_challenge()
        self._expected = b""

    def hello(self) -> Hello:
        """Return the first message."""
        return Hello(PROTOCOL, self._challenge, self._address)

    def take(self, answer: Answer) -> Proof | Welcome:
        """Return the next message, or the valid welcome. Raises `HandshakeError`."""
        if isinstance(answer, Welcome):
            return self._check(answer)
        if isinstance(answer, Challenge) and self._secret is not None and not self._expected:
            self._expected = prove(self._secret, "server", self._challenge, answer.challenge)
            return Proof(prove(self._secret, "client", self._challenge, answer.challenge))
        raise HandshakeError(
            f"what answers there does not speak rdzv's protocol: it answered the hello with {answer!r:.60}"
        )

    def _check(self, welcome: Welcome) -> Welcome:
        if self._secret is not None and not self._expected:
            raise HandshakeError("this client has a secret (auth_token), but the server did not ask for a proof of it")
        if welcome.protocol != PROTOCOL:
            raise HandshakeError(
                f"the server ({welcome.server}) speaks protocol version {welcome.protocol}, this client {PROTOCOL}: "
                "install the same version of rdzv-tcp on both sides"
            )
        if not hmac.compare_digest(welcome.proof, self._expected):
            raise HandshakeError(
                f"the server ({welcome.server}) has not proved that it knows this client's secret (auth_token)"
            )
        return welcome

"""Mutants of RDZV-SECURE-2: what whoever is on the way can read."""

from __future__ import annotations

import base64
import socket
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._secrets import PASSWORD, SoundGuarded, secret_mutant


class _InClear(SoundGuarded):
    def would_seal(self, trusted: str | None) -> bool:  # noqa: ARG002 - of the interface
        return False


class _OnlyItsLogin(SoundGuarded):
    def introduce(self) -> None:
        super().introduce()
        self.seals = False


class _ItsHeader(SoundGuarded):
    """Says who it is before it encrypts."""

    def introduce(self) -> None:
        assert isinstance(self.connection, socket.socket)
        user = base64.b64encode(f"user:{PASSWORD.optional(self.params)}".encode()).decode()
        self.connection.sendall(f'{{"hello": {{"authority": "", "user": "{user}"}}}}\n'.encode())
        self.connection.recv(65536)
        super().introduce()


class _WritesInClear(SoundGuarded):
    def converse(self, request: dict[str, Any]) -> Any:
        sealed = self.seals
        self.seals = sealed and request.get("state") is None
        try:
            return super().converse(request)
        finally:
            self.seals = sealed


def _heard(name: str, sentence: str, message: str, broken: type[SoundGuarded]) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-2", message, broken)


MUTANTS = (
    _heard("speaks-in-clear", "It asks for a password, and encrypts nothing.", "a state passes", _InClear),
    _heard(
        "encrypts-its-login-only",
        "The login is by TLS; what is said afterwards is not.",
        "a state passes between client and store in clear",
        _OnlyItsLogin,
    ),
    _heard(
        "shows-it-before-it-encrypts",
        "The header with the user goes out before STARTTLS is asked for.",
        "the value of password passes between client and store in clear (as base64",
        _ItsHeader,
    ),
    _heard(
        "writes-in-clear",
        "Reads go to the port for TLS, writes to the old one.",
        "a state passes between client and store in clear",
        _WritesInClear,
    ),
)

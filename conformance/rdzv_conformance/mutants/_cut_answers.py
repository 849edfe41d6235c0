"""Mutants of RDZV-CONN-3: what a cut answer raises."""

from __future__ import annotations

import base64
import json
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._remote_members import SoundRemoteMembers, at_server
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import RendezvousConnectionError, StateSnapshot, accepts_options


class _IncompleteReadError(Exception):
    """As http.client and asyncio raise where a body ends too soon: it is no OSError."""


class _EndsWithin(SoundRemote):
    def converse(self, request: dict[str, Any]) -> Any:
        try:
            return super().converse(request)
        except ConnectionResetError as error:
            self.drop()
            if "the connection ended" in str(error):
                raise _IncompleteReadError("0 bytes read, more expected") from error
            raise


class _ParsesWhatCame(SoundRemote):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        cut = vars(self).pop("cut", False)
        if cut:
            json.loads('["c29tZSBwYXJ0')
        return found

    def converse(self, request: dict[str, Any]) -> Any:
        assert self.connection is not None
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            try:
                part = self.connection.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                if len(answer) > 100:
                    vars(self)["cut"] = True
                    self.drop()
                    return None
                raise ConnectionResetError("the connection ended")
            answer += part
        found = json.loads(answer)
        return found and [base64.b64decode(found[0]), base64.b64decode(found[1]), *found[2:]]


class _MembersUnguarded(SoundRemoteMembers):
    """Its calls of members were added later, and do not go through what maps errors."""

    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            cause = error.__cause__
            if "do" in request and isinstance(cause, ConnectionResetError):
                raise cause from None
            raise


def _mutant(broken: type[SoundRemote], name: str, sentence: str, message: str, **more: Any) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    may = tuple(f"RDZV-{each}" for each in more.pop("may_break", ()))
    return Mutant(name, sentence, ("RDZV-CONN-3",), message, factory, may, more.pop("setting", remotely))


MUTANTS = (
    _mutant(
        _EndsWithin,
        "an-incomplete-read",
        "A body that ends too soon is an error of the client library that is not an OSError.",
        "raised _IncompleteReadError",
        may_break=("CONN-9", "CONN-5", "CONN-1", "CAS-14", "CONN-2", "CONN-4", "LIFE-3"),
    ),
    _mutant(
        _ParsesWhatCame,
        "parses-what-came",
        "A body that ends too soon is parsed as far as it came: an error of the parser.",
        "raised JSONDecodeError",
        may_break=("CONN-9", "CONN-5", "CONN-4", "CAS-14"),
    ),
    _mutant(
        _MembersUnguarded,
        "members-unguarded",
        "The calls about members do not go through what maps errors.",
        "raised ConnectionResetError",
        may_break=("CONN-9", "CONN-5", "MEMBER-14"),
        setting=at_server(),
    ),
)

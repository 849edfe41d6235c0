"""Mutants of RDZV-SECURE-2 and 3: when somebody on the way can read along, and further forms of a secret."""

from __future__ import annotations

import codecs
import logging
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._secrets import PASSWORD, SoundGuarded, secret_mutant
from rdzv_core import RendezvousParameters, SetStateResult, Token

RECORD = 16 * 1024
"""What a record of TLS holds."""
SHOWN_AT_MOST = 9


class _InClearAgain(SoundGuarded):
    """Upgrades its first connection only."""

    upgraded = False

    def introduce(self) -> None:
        super().introduce()
        self.seals = self.seals and not self.upgraded
        self.upgraded = True


class _ItsSiblingIsPlain(SoundGuarded):
    def would_seal(self, trusted: str | None) -> bool:
        return super().would_seal(trusted) and self.params.purpose == ""


class _LongLinesInClear(SoundGuarded):
    def converse(self, request: dict[str, Any]) -> Any:
        sealed = self.seals
        self.seals = sealed and len(str(request.get("state"))) <= RECORD
        try:
            return super().converse(request)
        finally:
            self.seals = sealed


class _Refused(SoundGuarded):
    """What a refusal says has the password, `written` somehow."""

    def written(self, password: str) -> str:
        raise NotImplementedError

    def converse(self, request: dict[str, Any]) -> Any:
        try:
            return super().converse(request)
        except PermissionError as error:
            raise PermissionError(f"{error}: {self.written(PASSWORD.optional(self.params) or '')}") from None


class _AsADump(_Refused):
    def written(self, password: str) -> str:
        return "\n".join(textwrap.wrap(password.encode().hex(" ", 2), RECORD))


class _AsCodes(_Refused):
    def written(self, password: str) -> str:
        return " ".join(f"U+{ord(each):04X}" for each in password)


class _AsNumbers(_Refused):
    def written(self, password: str) -> str:
        return "".join(f"&#{ord(each)};" for each in password)


class _InOctal(_Refused):
    def written(self, password: str) -> str:
        return "".join(f"\\{byte:03o}" for byte in password.encode())


class _InRot13(_Refused):
    def written(self, password: str) -> str:
        return codecs.encode(password, "rot13")


class _InCapitals(_Refused):
    def written(self, password: str) -> str:
        return password.upper()


class _InAList(_Refused):
    def written(self, password: str) -> str:
        return str([*password])


class _BehindAMask(_Refused):
    def written(self, password: str) -> str:
        return f"*{password[1:]}"


class _UpToAMask(_Refused):
    def written(self, password: str) -> str:
        return f"{password[:SHOWN_AT_MOST]}*"


class _QuotesWhatIsNoLine(SoundGuarded):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        password = PASSWORD.optional(params) or ""
        if "\t" in password or "\n" in password:
            raise ValueError(f"a password has to be one line of letters: {password!r}")


class _QuotesItsOptions(SoundGuarded):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        try:
            return super().set_state(state, token)
        except ValueError as error:
            raise ValueError(f"{error}; the options are {dict(self.params.config)}") from error


class _LogsByItself(SoundGuarded):
    def introduce(self) -> None:
        logger = logging.getLogger("mutants.apart")
        logger.propagate = False
        logger.debug("connecting with %s", dict(self.params.config))
        super().introduce()


class _KeepsItInAFile(SoundGuarded):
    """Hands its password to a tool in a file of its own."""

    file: Any = None

    def introduce(self) -> None:
        super().introduce()
        if self.file is None:
            self.file = tempfile.NamedTemporaryFile("w", prefix="mutants-")  # noqa: SIM115 - it is there until close()
            Path(self.file.name).chmod(0o644)
        self.file.write(f"password={PASSWORD.optional(self.params)}\n".replace("\0", ""))
        self.file.flush()

    def close(self) -> None:
        super().close()
        if self.file is not None:
            self.file.close()


def _in_clear(name: str, sentence: str, what: str, broken: type[SoundGuarded]) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-2", f"{what} passes between client and store in clear", broken)


def _shows(name: str, sentence: str, form: str, broken: type[SoundGuarded]) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-3", f"holds a secret{form}", broken)


MUTANTS = (
    _in_clear(
        "connects-again-in-clear",
        "STARTTLS is said on the first connection, and forgotten on those that come after it.",
        "a state",
        _InClearAgain,
    ),
    _in_clear(
        "its-siblings-speak-in-clear",
        "The options of TLS are not handed to the instance of a purpose.",
        "a sibling's state",
        _ItsSiblingIsPlain,
    ),
    _in_clear(
        "long-states-in-clear",
        "What is longer than a record goes another way, which nobody thought of encrypting.",
        "a large state",
        _LongLinesInClear,
    ),
    _shows("shows-a-dump-of-it", "A refusal has a dump of the request, in pairs of bytes.", " (byte by byte", _AsADump),
    _shows("shows-its-code-points", "A refusal names the code points.", " (byte by byte, in hexadecimal)", _AsCodes),
    _shows("shows-it-in-entities", "A refusal is made ready for a page.", " (byte by byte, as decimal", _AsNumbers),
    _shows("shows-it-in-octal", "A refusal is escaped as a shell does.", " (byte by byte, in octal)", _InOctal),
    _shows("shows-it-in-rot13", "A refusal hides the password in ROT13.", " (in ROT13)", _InRot13),
    _shows("shows-it-in-capitals", "A refusal quotes it in capitals.", " (in another case)", _InCapitals),
    _shows("shows-a-list-of-its-letters", "A refusal has a list.", " (its letters, with something between)", _InAList),
    _shows("hides-its-first-letter", "A refusal hides one letter.", " (most of it, from character 3)", _BehindAMask),
    _shows("shows-its-first-nine-letters", "A refusal hides the rest.", " (most of it, from character 1)", _UpToAMask),
    _shows(
        "quotes-a-password-of-two-lines",
        "A password with the newline of its file is refused before it is sent, and quoted.",
        "",
        _QuotesWhatIsNoLine,
    ),
    _shows("quotes-its-options-where-a-state-is-too-large", "An error has all options.", "", _QuotesItsOptions),
    _shows("keeps-it-in-a-file", "A file for a tool has the password, and anybody may read it.", "", _KeepsItInAFile),
    _shows("logs-it-apart", "It logs to a logger that hands nothing to the root.", "", _LogsByItself),
)

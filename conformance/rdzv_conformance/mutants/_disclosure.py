"""Mutants of RDZV-SECURE-1, 3 and 4: nearly right secrets, where secrets are shown, names that nobody checks."""

from __future__ import annotations

import base64
import json
import logging
import urllib.parse
import warnings
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import Guard
from rdzv_conformance.mutants._secrets import PASSWORD, RIGHT, SoundGuarded, secret_mutant
from rdzv_core import RendezvousConnectionError


def _asks(is_right: Callable[[str], object]) -> Guard:
    """Return a guard that takes other passwords for the right one."""

    def guard(hello: dict[str, Any], _: dict[str, Any]) -> str:
        if not hello.get("authority"):
            return "plain text, where TLS is asked for"
        given = hello.get("password")
        return "" if given and is_right(given) else "the password is not accepted"

    return guard


class _Shows(SoundGuarded):
    """Shows its password in errors, in some form."""

    def form(self, password: str) -> str:
        raise NotImplementedError

    def shows(self) -> bool:
        """Return whether it is the time to show it."""
        return True

    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            password = PASSWORD.optional(self.params)
            if not password or not self.shows():
                raise
            raise RendezvousConnectionError(f"{error} [{self.form(password)}]") from error.__cause__


class _AfterClose(_Shows):
    def form(self, password: str) -> str:
        return f"closed: password={password}"

    def shows(self) -> bool:
        return self.closed


class _WhenLost(_Shows):
    def form(self, password: str) -> str:
        return f"https://user:{urllib.parse.quote(password)}@host"

    def ask(self, request: dict[str, Any]) -> Any:
        self.connected = self.connection is not None
        return super().ask(request)

    connected = False

    def shows(self) -> bool:
        return self.connected and not self.closed


class _InItsHeaders(_Shows):
    def form(self, password: str) -> str:
        return f"Authorization: Basic {base64.b64encode(f'user:{password}'.encode()).decode()}"


class _InHexadecimal(_Shows):
    def form(self, password: str) -> str:
        return password.encode().hex(" ").replace(" ", "")


class _InItsCause(SoundGuarded):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            try:
                json.loads(f"not JSON: {PASSWORD.optional(self.params)}")
            except ValueError as cause:
                cause.args = (f"{cause}: {PASSWORD.optional(self.params)}",)
                raise error from cause
            raise


class _InItsFields(SoundGuarded):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            error.config = dict(self.params.config)  # type: ignore[attr-defined] # that is the fault
            raise


class _Logs(SoundGuarded):
    def introduce(self) -> None:
        logging.getLogger("rdzv.mutant").debug("connecting with %s", dict(self.params.config))
        super().introduce()


class _Warns(SoundGuarded):
    def introduce(self) -> None:
        if self.params.purpose:
            warnings.warn(f"the password {PASSWORD.optional(self.params)!r} is weak", stacklevel=2)
        super().introduce()


class _ItsSiblingShows(SoundGuarded):
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.params.config if self.params.purpose else ''}>"


class _ShowsItselfClosed(SoundGuarded):
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.params.config if self.closed else ''}>"


class _NamesAreNotChecked(SoundGuarded):
    def check_name(self, names: list[str]) -> None:
        pass


class _AnyLocalName(SoundGuarded):
    def check_name(self, names: list[str]) -> None:
        if not any(self.where[0].split(".")[:3] == name.split(".")[:3] for name in names):
            super().check_name(names)


def _weak(name: str, sentence: str, is_right: Callable[[str], object], what: str) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-1", f"the store accepts {what}", guard=_asks(is_right))


def _telling(broken: type[SoundGuarded], name: str, sentence: str, where: str) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-3", where, broken)


MUTANTS = (
    _weak(
        "eight-characters-will-do",
        "A password is compared by its first eight characters, as crypt() did.",
        lambda given: given[:8] == RIGHT[:8],
        "the first 8 characters",
    ),
    _weak(
        "compares-while-there-is-one",
        "A comparison in constant time goes as far as the shorter one of the two.",
        lambda given: all(one == other for one, other in zip(given, RIGHT, strict=False)),
        "the first 8 characters",
    ),
    _weak(
        "begins-with-the-password",
        "What comes behind the password is not looked at.",
        lambda given: given.startswith(RIGHT),
        "the secret with something behind it",
    ),
    _weak(
        "passwords-in-any-case",
        "Passwords are compared in lower case.",
        lambda given: given.lower() == RIGHT.lower(),
        "the secret in another case",
    ),
    _weak(
        "both-ends-will-do",
        "A password is looked up by a key that is made of its length and its ends.",
        lambda given: (len(given), given[:3], given[-3:]) == (len(RIGHT), RIGHT[:3], RIGHT[-3:]),
        "the secret with another character within",
    ),
    _telling(
        _AfterClose, "shows-it-when-closed", "The error after close() names what it was opened with.", "after close()"
    ),
    _telling(
        _WhenLost,
        "shows-it-in-a-url",
        "The error about a lost connection has the URL, and the password in it, percent-encoded.",
        "holds a secret",
    ),
    _telling(
        _InItsHeaders,
        "shows-it-in-a-header",
        "The error shows the request with its headers: base64 is not encryption.",
        "(as base64",
    ),
    _telling(_InHexadecimal, "shows-it-in-hexadecimal", "The error shows what was sent, byte by byte.", "hexadecimal"),
    _telling(_InItsCause, "shows-it-in-its-cause", "The error chains a parser's, which quotes its text.", "a secret"),
    _telling(_InItsFields, "shows-it-in-its-fields", "The error carries the options as a field.", "holds a secret"),
    _telling(_Logs, "logs-it", "A debug record tells with which options it connects.", "log record"),
    _telling(_Warns, "warns-of-it", "A warning quotes the password that it warns of.", "warning"),
    _telling(_ItsSiblingShows, "its-sibling-shows-it", "The repr of a sibling shows its options.", "of the sibling"),
    _telling(_ShowsItselfClosed, "shows-itself-when-closed", "The repr of a closed instance shows all.", "closed"),
    secret_mutant(
        "names-are-not-checked",
        "A certificate of the authority is good for any host (`check_hostname = False`).",
        "SECURE-4",
        "is not for the name that was asked for",
        _NamesAreNotChecked,
    ),
    secret_mutant(
        "any-local-name",
        "Any address of the server's network is taken for its name.",
        "SECURE-4",
        "is not for the name that was asked for",
        _AnyLocalName,
    ),
)

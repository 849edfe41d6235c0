"""Mutants of RDZV-SECURE-1 and 3: what is taken for the secret, and secrets shown in silence and by tools."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import Guard
from rdzv_conformance.mutants._secrets import OPTIONS, PASSWORD, RIGHT, SoundGuarded, guarded, secret_mutant
from rdzv_conformance.mutants._settings import Place
from rdzv_core import RendezvousConnectionError, accepts_options

LONG = "a sentence that nobody guesses, and that is longer than what every known hash looks at"
BCRYPT_LOOKS_AT = 72


def asks(is_right: Callable[[str], object]) -> Guard:
    """Return a guard that takes some other passwords for the right one; none at all is refused."""

    def guard(hello: dict[str, Any], _: dict[str, Any]) -> str:
        if not hello.get("authority"):
            return "plain text, where TLS is asked for"
        given = hello.get("password")
        return "" if given is not None and (given == RIGHT or is_right(given)) else "the password is not accepted"

    return guard


def _taken(name: str, sentence: str, is_right: Callable[[str], object], what: str) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-1", f"the store accepts {what}", guard=asks(is_right))


def _seventy_two(hello: dict[str, Any], _: dict[str, Any]) -> str:
    if not hello.get("authority"):
        return "plain text, where TLS is asked for"
    given = (hello.get("password") or "").encode("utf-8", "surrogatepass")
    is_right = given[:BCRYPT_LOOKS_AT] == LONG.encode()[:BCRYPT_LOOKS_AT]
    return "" if is_right else "the password is not accepted"


@contextmanager
def _with_a_long_password() -> Iterator[Place]:
    with guarded(_seventy_two)() as place:
        yield place._replace(options={**place.options, "password": LONG})


class _WhenLate(SoundGuarded):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            if isinstance(error.__cause__, TimeoutError):
                where = f"toy://:{PASSWORD.optional(self.params)}@{self.params.endpoint}"
                raise RendezvousConnectionError(f"{where} has not answered") from error.__cause__
            raise


class _WhenNobodyListens(SoundGuarded):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            if isinstance(error.__cause__, ConnectionRefusedError):
                raise RendezvousConnectionError(f"cannot connect with {self.params.config}") from error.__cause__
            raise


class _ToATool(SoundGuarded):
    def introduce(self) -> None:
        super().introduce()
        password = (PASSWORD.optional(self.params) or "").replace("\0", "")
        subprocess.run(["/bin/true", f"--password={password}"], check=False)  # noqa: S603 - that it is shown is the fault


class _ToTheEnvironmentOfATool(SoundGuarded):
    def introduce(self) -> None:
        super().introduce()
        password = (PASSWORD.optional(self.params) or "").replace("\0", "")
        subprocess.run(["/bin/true"], env={"TOY_PASSWORD": password}, check=False)


MUTANTS = (
    _taken("an-empty-password-will-do", "An empty password is an anonymous login (LDAP).", lambda e: not e, "an empty"),
    _taken(
        "percent-passwords",
        "A password is unquoted, since it may come in a URL.",
        lambda given: urllib.parse.unquote(given) == RIGHT,
        "the secret in percent signs",
    ),
    _taken(
        "a-form-of-passwords",
        "A password is read as a field of a form: a plus is a space.",
        lambda given: given.replace("+", " ") == RIGHT,
        "the secret as in a form",
    ),
    _taken(
        "base64-passwords",
        "A password in base64 is decoded.",
        lambda given: given == base64.b64encode(RIGHT.encode()).decode(),
        "the secret in base64",
    ),
    _taken(
        "a-hash-will-do",
        "What is kept of the password, its hash, is accepted as the password.",
        lambda given: given == hashlib.sha256(RIGHT.encode()).hexdigest(),
        "the sha256 of the secret",
    ),
    _taken(
        "quotes-are-taken-off",
        "Quotes around a password are taken off, as a shell does.",
        lambda given: given.strip("'\"") == RIGHT,
        "the secret in quotes",
    ),
    _taken(
        "marks-are-taken-off",
        "A byte order mark before a password is dropped, since it may come from a file.",
        lambda given: given.lstrip("\ufeff") == RIGHT,
        "the secret with a byte order mark before it",
    ),
    _taken(
        "blanks-are-one",
        "White space within a password is made one space.",
        lambda given: given == given.strip() and " ".join(given.split()) == RIGHT,
        "the secret with a tab for each space",
    ),
    _taken(
        "look-alikes-are-one",
        "Letters that look alike are one (UTS 39).",
        lambda given: given.translate(str.maketrans("аеор", "aeop")) == RIGHT,  # noqa: RUF001 - Cyrillic ones
        "the secret in letters that look alike",
    ),
    Mutant(
        "seventy-two-bytes-will-do",
        "A password is hashed by bcrypt, which looks at 72 bytes.",
        ("RDZV-SECURE-1",),
        "the store accepts all but the last character of the secret",
        accepts_options(*OPTIONS)(lambda params: SoundGuarded(params)),
        setting=_with_a_long_password,
    ),
    secret_mutant(
        "shows-it-when-late",
        "The error about an answer that did not come has the URL, with the password.",
        "SECURE-3",
        "on a silent store holds a secret",
        _WhenLate,
    ),
    secret_mutant(
        "shows-it-where-nobody-listens",
        "The error about a store that is not there shows the options.",
        "SECURE-3",
        "holds a secret",
        _WhenNobodyListens,
    ),
    secret_mutant(
        "shows-it-to-a-tool",
        "A tool is started with the password among its arguments: `ps` shows it.",
        "SECURE-3",
        "arguments of a process in use holds a secret",
        _ToATool,
    ),
    secret_mutant(
        "shows-it-to-the-environment-of-a-tool",
        "A tool is started with the password in its environment.",
        "SECURE-3",
        "environment of a process in use holds a secret",
        _ToTheEnvironmentOfATool,
    ),
)

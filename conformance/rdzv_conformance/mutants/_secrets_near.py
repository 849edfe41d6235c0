"""Mutants of RDZV-SECURE-1 and 3: secrets that are bent before they are compared, and further places that show one."""

from __future__ import annotations

import logging
import os
import threading
import time
import unicodedata
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._secrets import PASSWORD, RIGHT, SoundGuarded, secret_mutant


def _bent(name: str, sentence: str, bend: Callable[[str], str]) -> Mutant:
    """Make a mutant that bends both passwords before it compares them."""

    def guard(hello: dict[str, Any], _: dict[str, Any]) -> str:
        if not hello.get("authority"):
            return "plain text, where TLS is asked for"
        return "" if bend(hello.get("password") or "") == bend(RIGHT) else "the password is not accepted"

    return secret_mutant(name, sentence, "SECURE-1", "the store accepts", guard=guard)


class _LogsItBeside(SoundGuarded):
    def introduce(self) -> None:
        logging.getLogger("mutants").debug("connecting", extra={"options": dict(self.params.config)})
        super().introduce()


class _TellsItsChildren(SoundGuarded):
    def introduce(self) -> None:
        os.environ[f"PASSWORD_{id(self)}"] = PASSWORD.optional(self.params) or ""
        super().introduce()

    def close(self) -> None:
        super().close()
        os.environ.pop(f"PASSWORD_{id(self)}", None)


class _NamesItsThread(SoundGuarded):
    def introduce(self) -> None:
        name = f"keeps {PASSWORD.optional(self.params)}@{self.params.endpoint} alive"
        threading.Thread(target=time.sleep, args=(0.2,), name=name, daemon=True).start()
        super().introduce()


class _ShowsIt(SoundGuarded):
    """Its errors show the password, `written` somehow."""

    def written(self, password: str) -> str:
        raise NotImplementedError

    def converse(self, request: dict[str, Any]) -> Any:
        try:
            return super().converse(request)
        except PermissionError as error:
            shown = self.written(PASSWORD.optional(self.params) or "")
            raise PermissionError(f"{error} (it was {shown})") from error


class _InUtf16(_ShowsIt):
    def written(self, password: str) -> str:
        return password.encode("utf-16-le").hex()


class _LetterByLetter(_ShowsIt):
    def written(self, password: str) -> str:
        return " ".join(password)


MUTANTS = (
    _bent("passwords-are-stripped", "A password is stripped: it was pasted from somewhere.", str.strip),
    _bent("passwords-end-at-nul", "In C a password ends at a NUL.", lambda password: password.partition("\0")[0]),
    _bent(
        "passwords-are-composed",
        "Passwords are compared in the form NFKC.",
        lambda password: unicodedata.normalize("NFKC", password),
    ),
    _bent(
        "passwords-without-spaces", "The spaces of a password are not looked at.", lambda text: text.replace(" ", "")
    ),
    secret_mutant(
        "logs-it-beside",
        "A log record has the options as a field, which a formatter for JSON prints.",
        "SECURE-3",
        "log record in use holds a secret",
        _LogsItBeside,
    ),
    secret_mutant(
        "tells-its-children",
        "The password is put into the environment for a tool, and is there for every child.",
        "SECURE-3",
        "environment in use holds a secret",
        _TellsItsChildren,
        may_break=("SECURE-1",),  # what holds a NUL does not go there
    ),
    secret_mutant(
        "names-its-thread",
        "A thread is named after the URL that it is for.",
        "SECURE-3",
        "name of a thread",
        _NamesItsThread,
    ),
    secret_mutant(
        "shows-it-in-utf-16",
        "An error shows what was sent, in UTF-16 and byte by byte.",
        "SECURE-3",
        "(as UTF-16 in hexadecimal)",
        _InUtf16,
    ),
    secret_mutant(
        "shows-it-letter-by-letter",
        "An error shows the letters, with spaces between.",
        "SECURE-3",
        "(letter by letter)",
        _LetterByLetter,
    ),
)

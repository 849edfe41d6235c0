"""Where a secret may be shown, and in which forms."""

from __future__ import annotations

import base64
import codecs
import contextlib
import io
import json
import logging
import os
import re
import threading
import traceback
import urllib.parse
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.suite.files_written import read_by_others
from rdzv_conformance.suite.process_starts import told_of_process_starts

AT_FIRST = dict(os.environ)
"""The environment before a backend was used: what a user put there is the user's affair."""

LONG_SECRET = 16
TELLING = 12
"""Characters of a long secret, one behind the other: to show them is to show most of it."""
MASKED = 2
"""Characters of a shorter secret: to hide no more of them is to show most of it."""
BASES = {"in hexadecimal": "x", "as decimal numbers": "d", "in octal": "o", "in binary": "b"}
BETWEEN = r"[^0-9a-z]{0,6}(?:0?%s|u\+?)?0{0,7}"
"""What may stand between two numbers: a space, a comma, `0x`, `\\u00`, `&#`, `=`; none of it begins a number."""
BETWEEN_LETTERS = r"[\W_]{1,12}"
APART = "\n" * 20


@dataclass
class Disclosure:
    """All texts that came up, by where; `check` fails the clause if one of them holds a secret."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    """Files that were opened to write."""

    def add(self, where: str, text: object) -> None:
        """Add a text; of any other object its repr and its str."""
        self.texts.append((where, text if isinstance(text, str) else f"{text!r} {text}"))

    def tried(self, where: str, call: Callable[[], object]) -> object:
        """Call, and add what it returns, or all that is in the error that it raises."""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - which one is for other clauses
            self.add(f"error of {where}", told_by(error))
            return None
        self.add(f"result of {where}", result)
        return result

    def check(self, secrets: Iterable[str]) -> None:
        """Fail the clause if a text holds a secret, in whatever form."""
        texts = list(dict.fromkeys(self.texts))
        everything = APART.join(text for _, text in texts)
        lower = everything.lower()
        for secret in secrets:
            for form, shown in forms_of(secret).items():
                if shown in everything:
                    where = next(where for where, text in texts if shown in text)
                    raise ClauseFailed(f"the {where} holds a secret{form}")
            for form, pattern in _one_by_one(secret).items():
                if pattern.search(lower):
                    where = next(where for where, text in texts if pattern.search(text.lower()))
                    raise ClauseFailed(f"the {where} holds a secret{form}")

    def look_around(self, when: str) -> None:
        """Add what others can see of this process: the environment, which every child has, names, and files."""
        added = {name: value for name, value in os.environ.items() if AT_FIRST.get(name) != value}
        self.add(f"environment {when}", " ".join(f"{name}={value}" for name, value in added.items()))
        self.add(f"name of a thread {when}", " ".join(thread.name for thread in threading.enumerate()))
        for name, text in read_by_others(self.written).items():
            self.add(f"file {name}, which others may read, {when}", text)

    @contextlib.contextmanager
    def listening(self, where: str) -> Iterator[None]:
        """Add what is logged, warned of and printed meanwhile, and what processes are started with."""
        handler, printed = _Handler(self, where), io.StringIO()
        root = logging.getLogger()
        level = root.level
        named = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
        loggers = [root, *(each for each in named if not each.propagate)]
        for logger in loggers:
            logger.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            with (
                told_of_process_starts(lambda what, text: self.add(f"{what} {where}", text)),
                warnings.catch_warnings(record=True) as warned,
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
            ):
                warnings.simplefilter("always")
                yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            root.setLevel(level)
            for warning in warned:
                self.add(f"warning {where}", str(warning.message))
            self.add(f"output {where}", printed.getvalue())


class _Handler(logging.Handler):
    def __init__(self, disclosure: Disclosure, where: str) -> None:
        super().__init__(logging.DEBUG)
        self._disclosure, self._where = disclosure, where

    def emit(self, record: logging.LogRecord) -> None:
        told = told_by(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
        fields = {name: value for name, value in vars(record).items() if name not in ("exc_info", "msg", "args")}
        text = f"{record.getMessage()} {record.args!r} {told} {fields!r}"
        self._disclosure.add(f"log record {self._where}", text)


def told_by(error: BaseException) -> str:
    """Return all that an error says: as a traceback prints it, and the fields of it and of those that it chains."""
    texts = ["".join(traceback.format_exception(type(error), error, error.__traceback__))]
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            texts.append(f"{each!r} {each.args!r} {vars(each)!r}")
            chain += [each.__cause__, each.__context__]
    return " ".join(texts)


def forms_of(secret: str) -> dict[str, str]:
    """Return every form in which a secret may be shown, by words for it. A short one is looked for as it is alone."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {"": secret, " (escaped)": repr(secret)[1:-1], " (as JSON)": json.dumps(secret)[1:-1]}
    if len(raw) >= TELLING // 2:
        forms |= {
            " (in hexadecimal)": raw.hex(),
            " (in hexadecimal, upper case)": raw.hex().upper(),
            " (in hexadecimal, with colons)": raw.hex(":"),
            " (percent-encoded)": urllib.parse.quote(secret, safe=""),
            " (percent-encoded, with plus signs)": urllib.parse.quote_plus(secret),
            " (backwards)": secret[::-1],
            " (as UTF-16 in hexadecimal)": secret.encode("utf-16-le", "surrogatepass").hex(),
            " (letter by letter)": " ".join(secret),
            " (base64 of base64)": base64.b64encode(base64.b64encode(raw)).decode().rstrip("=")[:-2],
            " (as base85)": base64.b85encode(raw).decode()[: len(raw) // 4 * 5],
            " (as base32)": base64.b32encode(raw).decode().rstrip("=")[: len(raw) * 8 // 5],
            " (as a list of numbers)": ", ".join(map(str, raw)),
        }
        for offset in range(3):
            for name, encode in (("base64", base64.b64encode), ("URL-safe base64", base64.urlsafe_b64encode)):
                forms[f" (as {name}, {offset} bytes within)"] = _within(encode, raw, offset)
            wide = secret.encode("utf-16-le", "surrogatepass")
            forms[f" (as UTF-16 in base64, {offset} bytes within)"] = _within(base64.b64encode, wide, offset)
        forms[" (in ROT13)"] = codecs.encode(secret, "rot13")
    forms |= {f" (most of it, from character {first})": part for first, part in _most_of(secret).items()}
    return {form: text for form, text in forms.items() if text}


def _most_of(secret: str) -> dict[int, str]:
    """Return the parts that show most of a secret, by their first characters' numbers."""
    if len(secret) >= LONG_SECRET:
        return {first + 1: secret[first : first + TELLING] for first in range(len(secret) - TELLING + 1)}
    if len(secret) >= TELLING - MASKED:
        return {1: secret[:-MASKED], MASKED + 1: secret[MASKED:]}
    return {}


def _one_by_one(secret: str) -> dict[str, re.Pattern[str]]:
    """Return what finds a secret in a text in lower case: in another case, or with its letters or bytes apart."""
    raw, letters = secret.encode("utf-8", "surrogatepass"), [each for each in secret.lower() if each.isalnum()]
    if len(raw) < TELLING // 2:
        return {}
    shown = {" (in another case)": re.escape(secret.lower())}
    if len(letters) >= TELLING // 2:
        shown[" (its letters, with something between)"] = BETWEEN_LETTERS.join(letters)
    for name, base in BASES.items() if 0 not in raw else ():
        between = BETWEEN % base
        shown[f" (byte by byte, {name})"] = between.join(f"{byte:{base}}" for byte in raw)
        if not secret.isascii():
            shown[f" (letter by letter, {name})"] = between.join(f"{ord(each):{base}}" for each in secret)
    return {form: re.compile(pattern) for form, pattern in shown.items()}


def _within(encode: Callable[[bytes], bytes], raw: bytes, offset: int) -> str:
    """Return the characters that a secret has where `offset` bytes more than whole groups of three stand before it."""
    text = encode(b"\0" * offset + raw).decode().rstrip("=")
    first = -(-offset * 8 // 6)
    last = (offset + len(raw)) * 8 // 6
    return text[first:last]

"""Mutants of RDZV-SECURE-1: a secret is looked for in what was given, or unescaped, or compared with what is kept."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import html
import re
from collections.abc import Callable

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._secrets import RIGHT, secret_mutant
from rdzv_conformance.mutants._secrets_taken import asks


def _taken(name: str, sentence: str, is_right: Callable[[str], object], what: str) -> Mutant:
    return secret_mutant(name, sentence, "SECURE-1", f"the store accepts {what}", guard=asks(is_right))


def _ldap(given: str) -> bool:
    return given == f"{{SHA}}{base64.b64encode(hashlib.sha1(RIGHT.encode()).digest()).decode()}"  # noqa: S324 - LDAP's


def _unescaped(given: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), given)


MUTANTS = (
    _taken(
        "a-capital-will-do",
        "A telephone made the first letter a capital, and that is forgiven.",
        lambda given: given == RIGHT.capitalize(),
        "the secret with its first letter in another case",
    ),
    _taken(
        "a-user-may-come-before-it",
        "What stands before a colon is a user, whoever that is.",
        lambda given: given.endswith(f":{RIGHT}"),
        "the secret with a user before it",
    ),
    _taken(
        "one-of-a-list-will-do",
        "The password is a list of those of many years, and one of them has to be right.",
        lambda given: RIGHT in given.split(","),
        "the secret in a list",
    ),
    _taken(
        "comments-are-cut-off",
        "A password is read as a line of a file: a comment behind it is no part of it.",
        lambda given: given.partition(" #")[0] == RIGHT,
        "the secret with a comment behind it",
    ),
    _taken(
        "a-backspace-takes-one-back",
        "A password is read as from a terminal.",
        lambda given: re.sub(".\b", "", given) == RIGHT,
        "the secret with a letter and a backspace within",
    ),
    _taken(
        "every-white-space-is-stripped",
        "What `str.strip` takes away is more than spaces and newlines.",
        lambda given: given.strip("\v\f") == RIGHT,
        "the secret with a vertical tab behind it",
    ),
    _taken(
        "backslashes-are-read",
        "Escapes in a password are read.",
        lambda given: _unescaped(given) == RIGHT,
        "the secret in backslash escapes",
    ),
    _taken(
        "entities-are-read",
        "A password comes in XML, and is unescaped once too often.",
        lambda given: html.unescape(given) == RIGHT,
        "the secret in entities",
    ),
    _taken(
        "a-longer-hash-will-do",
        "Passwords are kept as SHA-384, and what is kept is accepted.",
        lambda given: given == hashlib.sha384(RIGHT.encode()).hexdigest(),
        "the sha384 of the secret",
    ),
    _taken("a-hash-in-a-scheme-will-do", "What is kept, with its scheme, is accepted.", _ldap, "the sha1"),
    _taken(
        "passwords-are-globs",
        "Rights are given by patterns, and the password is compared as they are.",
        lambda given: fnmatch.fnmatchcase(RIGHT, given),
        "a wildcard",
    ),
    _taken(
        "passwords-are-regular-expressions",
        "The password is searched for as a regular expression, unescaped.",
        lambda given: "*" in given[1:] and given == re.escape(given).replace("\\", "") and re.fullmatch(given, RIGHT),
        "a regular expression",
    ),
    _taken(
        "the-default-password-stays",
        "The password that it came with is never taken away.",
        lambda given: given == "admin",
        "the secret 'admin'",
    ),
)

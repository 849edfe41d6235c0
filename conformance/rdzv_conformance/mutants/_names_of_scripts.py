"""Mutants of RDZV-RUN-2 and 3: names that become one in other scripts, by a short hash, or by a word."""

from __future__ import annotations

import hashlib
import unicodedata
import zlib
from collections.abc import Callable

from rdzv_conformance.mutants._names import _purpose, _run

TO_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(0x30A1, 0x30F7)}
BMP = 0xFFFF


def _in_one_plane(name: str) -> str:
    return "".join(letter if ord(letter) <= BMP else "\ufffd" for letter in name)


def _one_syllabary(name: str) -> str:
    return name.translate(TO_HIRAGANA)


def _without_marks(name: str) -> str:
    return "".join(letter for letter in name if letter < "\u0590" or unicodedata.category(letter) != "Mn")


def _latin_digits(name: str) -> str:
    return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in name)


def _java_hash(name: str) -> str:
    total = 0
    for letter in name:
        total = (total * 31 + ord(letter)) & 0xFFFFFFFF
    return f"{total:08x}"


def _adler(name: str) -> str:
    return f"{zlib.adler32(name.encode()):08x}"


def _by(algorithm: str) -> Callable[[str], str]:
    return lambda name: hashlib.new(algorithm, name.encode(), usedforsecurity=False).hexdigest()[:8]


def _none_is(word: str) -> Callable[[str], str]:
    return lambda purpose: "" if purpose == word else purpose


MUTANTS = (
    _run(_in_one_plane, "runs-of-one-plane", "MySQL's utf8 has 3 bytes: what is over U+FFFF becomes one character."),
    _run(_one_syllabary, "runs-in-one-syllabary", "A collation takes Hiragana and Katakana for one."),
    _run(_without_marks, "runs-without-marks", "A collation ignores the marks of Hebrew, Arabic and Devanagari."),
    _run(_latin_digits, "runs-with-latin-digits", "A collation takes the digits of all scripts for one."),
    _run(_java_hash, "runs-by-hash-code", "A run is found by a hash of 32 bits, h * 31 + c."),
    _run(_adler, "runs-by-adler", "A run is found by the Adler-32 of its name."),
    _run(_by("sha256"), "runs-by-eight-digits", "A run is found by the first 8 digits of its SHA-256."),
    _run(_by("md5"), "runs-by-eight-digits-of-md5", "A run is found by the first 8 digits of its MD5."),
    _purpose(_in_one_plane, "purposes-of-one-plane", "A purpose is kept in UCS-2."),
    _purpose(
        _none_is("state"), "the-purpose-state", "`purpose or 'state'`: the sibling of that name is the run itself."
    ),
    _purpose(_none_is("default"), "the-default-purpose", "A run's own register is that of the purpose `default`."),
)

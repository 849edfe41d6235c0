"""Mutants of RDZV-RUN-2 and 3: names that become one by an escape, a mark, a number, a word, or the end of a hash."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable

from rdzv_conformance.mutants._names import _purpose, _run

Bend = Callable[[str], str]


def _read(escape: str, means: str) -> Bend:
    return lambda name: name.replace(escape, means)


def _without_end(end: str) -> Bend:
    return lambda name: name.removesuffix(end)


def _numbers(name: str) -> str:
    return re.sub(r"-0+(?=[1-9][0-9]*$)", "-", name)


def _one_blank(name: str) -> str:
    return re.sub(r"(?<=\S) +(?=\S)", " ", name)


def _no_device(name: str) -> str:
    return re.sub(r"-con$", "-_con", name)


def _without_braces(name: str) -> str:
    return re.sub(r"\{(\w)\}", r"\1", name)


def _last_digits(name: str) -> str:
    return f"{int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 2**32:08x}"


def _last_digits_of_sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[-8:]


def _positive(name: str) -> str:
    return f"{int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % 2**31}"


def _first_digits_of_sha512(name: str) -> str:
    return hashlib.sha512(name.encode()).hexdigest()[:8]


def _blake(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=4).hexdigest()


def _fnv(name: str) -> str:
    total = 0x811C9DC5
    for byte in name.encode():
        total = ((total ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{total:08x}"


def _by_number(factor: int) -> Bend:
    def total_of(name: str) -> str:
        total = 5381
        for byte in name.encode():
            total = (total * factor + byte) & 0xFFFFFFFF
        return f"{total:08x}"

    return total_of


MUTANTS = (
    _run(_read("~1", "/"), "runs-as-json-pointers", "A run is a part of a JSON pointer: ~1 is a slash."),
    _run(_read("\uff0f", "/"), "runs-in-full-width", "A full-width slash stands for a slash, as file copiers do it."),
    _run(_read("_2F", "/"), "runs-with-marked-digits", "A slash is written _2F, and _ itself is not escaped."),
    _run(_read("\\u002f", "/"), "runs-as-json", "An escape in a name is read as JSON reads it."),
    _run(html.unescape, "runs-as-markup", "Entities in a name are read."),
    _run(_read("--", "/"), "runs-with-two-dashes", "A slash is written as two dashes, and dashes are not doubled."),
    _run(_read("$$", "$"), "runs-in-a-template", "A template makes one dollar of two."),
    _run(_read("''", "'"), "runs-with-doubled-quotes", "A quote is doubled in SQL, and read once more than written."),
    _run(_read("\\'", "'"), "runs-with-escaped-quotes", "A backslash before a quote is dropped."),
    _run(_read("/./", "/"), "runs-as-resolved-paths", "A part of a path that is a dot is left out."),
    _run(_one_blank, "runs-with-one-blank", "Blanks in a row are one."),
    _run(_numbers, "runs-by-their-number", "Zeros before a number at the end are dropped."),
    _run(_without_braces, "runs-without-braces", "Braces mark what a cluster hashes, and are dropped."),
    _run(_no_device, "runs-that-are-no-device", "A name that Windows keeps for a device has an underscore before it."),
    _run(_without_end(":rev"), "runs-with-a-revision", "What is kept beside a run is named as another run is."),
    _run(_without_end("_token"), "runs-with-a-token", "A run's token is kept under the name of another run."),
    _run(_last_digits, "runs-by-the-last-digits-of-md5", "A run is found by its MD5 modulo 2^32."),
    _run(_last_digits_of_sha256, "runs-by-the-last-eight-digits", "A run is found by the end of its SHA-256."),
    _run(_positive, "runs-by-a-positive-number", "A run is found by a number of 31 bits of its SHA-1."),
    _run(_first_digits_of_sha512, "runs-by-eight-digits-of-sha512", "A run is found by the beginning of its SHA-512."),
    _run(_blake, "runs-by-blake2-of-four-bytes", "A run is found by its BLAKE2b of four bytes."),
    _run(_fnv, "runs-by-fnv", "A run is found by the FNV-1a of its name."),
    _run(_by_number(33), "runs-by-djb2", "A run is found by a hash of 32 bits, h * 33 + c."),
    _run(_by_number(65599), "runs-by-sdbm", "A run is found by a hash of 32 bits, h * 65599 + c."),
    _purpose(lambda name: "" if name == "tokens" else name, "the-purpose-tokens", "The purpose `tokens` is the run's."),
    _purpose(_read("~1", "/"), "purposes-as-json-pointers", "A purpose is a part of a JSON pointer: ~1 is a slash."),
    _purpose(
        lambda name: name[:1024], "purposes-of-1024-letters", "A purpose is cut where a run id would be too long."
    ),
)

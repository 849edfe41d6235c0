"""RDZV-STATE-3: what stands within a state, and whole states that read like a value of some type."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from itertools import product

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.together import in_parts, together

ODD = (0, 1, 9, 10, 11, 13, 26, 27, 32, 46, 47, 58, 92, 124)
"""Bytes of which a few in a row end a line, a head or a field somewhere."""
MARKS = b"\0\n\r \"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~x0N"
SECONDS = 0.3

_JSON = (
    '{"b":1,"a":2}',
    '{"a": 1, "a": 2}',
    '{"a":1}',
    "[1,2]",
    "[1.0, 2]",
    '{"a": "\\u00e4"}',
    ' {"a": 1} ',
    "{ }",
    "[]",
    "<a b='c'></a>",
    "<a/>",
    "a: 1\n",
    "[a]\nb = 1\n",
    "a=1&b=2",
    "a,b\r\n1,2\r\n",
)
_TYPED = (
    *(
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551616",
        "1" * 40,
        "-9007199254740993",
        "1.10",
        "1e400",
    ),
    *("12345678901234567890.5", ".5", "1_000", "1,000", "0o17", "0b11", "0xAB", "1E5", "Infinity", "-inf", "1/2"),
    *("C56A4180-65AA-42EC-A945-5FD21DEC0538", "{c56a4180-65aa-42ec-a945-5fd21dec0538}", "DEADBEEF", "deadbeef"),
    *("ABCDEF0123456789" * 2, "abcdef0123456789" * 4, "2024-01-31", "2024-01-31T00:00:00Z", "2024-01-31 00:00:00.000"),
    *("12:30", "010.000.000.001", "::0001", "2001:DB8::1", "AA-BB-CC-DD-EE-FF", "EXAMPLE.COM", "file:///etc/hostname"),
    *(
        "TRUE",
        "on",
        "off",
        "t",
        "f",
        "Y",
        "n",
        "No",
        "TmlsCg",
        "bm9uZQ==",
        "YWJj\nZGVm\n",
        "=?utf-8?q?=61?=",
        "xn--4ca",
    ),
)
_NOTHING = ("nil", "null", "none", "undefined", "empty", "n/a", "na", "nan", "void", "missing", "unset", "absent")
_ANSWERS = (
    "not_found",
    "not found",
    "deleted",
    "expired",
    "error",
    "ok",
    "queued",
    "stored",
    "lock",
    "locked",
    "tombstone",
)
_FORMS = ("{}", "({})", "<{}>", "[{}]", "__{}__", '"{}"', "-{}", "${}")
_OTHERS = (
    "\\N",
    "\\0",
    "\\",
    "-",
    "--",
    "?",
    "(nil)\n",
    "#N/A",
    "#NULL!",
    "*-1",
    "$-1",
    "_\r\n",
    "nullptr",
    "[object Object]",
)


def words() -> list[bytes]:
    """Return whole states, all different, that somebody takes for a number, a date, nothing, or an answer."""
    special = [form.format(word) for word in (*_NOTHING, *_ANSWERS) for form in _FORMS]
    cased = [each for text in special for each in (text, text.upper(), text.title())]
    return [*dict.fromkeys(text.encode() for text in (*_JSON, *_TYPED, *_OTHERS, *cased))]


def rows() -> dict[str, bytes]:
    """Return states within which every few bytes stand next to each other, by words for them."""
    return {
        "every two bytes": b"".join(map(bytes, product(range(256), repeat=2))),
        "every three of the marks and blanks": b"".join(map(bytes, product(MARKS, repeat=3))),
        "every four that end a line or a field": b"".join(map(bytes, product(ODD, repeat=4))),
    }


class Within:
    """Nobody looks for anything within a state, nor for what it means."""

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_whatever_stands_next_to_each_other_comes_back(self, under_test: BackendUnderTest) -> None:
        """Every two bytes in a row, and every three or four of those that mean something to some protocol."""

        def check(row: tuple[str, bytes]) -> None:
            what, state = row
            register = under_test.open(f"{under_test.run_id}-{len(state)}")
            register.write(state)
            found = register.get_state()
            _same(f"a state with {what} in a row", found and found.state, state)

        together(rows().items(), check, under_test.target.pace)

    @clause("RDZV-STATE-3")
    def test_RDZV_STATE_3_no_word_means_anything(self, under_test: BackendUnderTest) -> None:
        """Numbers, dates, JSON, words for nothing, names of files: as many as time allows, drawn at random."""
        with tempfile.NamedTemporaryFile(prefix="rdzv-conformance-", suffix=".txt") as file:
            file.write(b"what stands in a file is no state")
            file.flush()
            path = os.fsencode(file.name)
            every = words()
            under_test.random.shuffle(every)
            every = [b"@" + path, path, b"file://" + path, *every]
            ends = time.monotonic() + SECONDS
            together(
                in_parts(every),
                lambda part: _in_turn(
                    under_test.open(f"{under_test.run_id}-{len(part[0])}-{every.index(part[0])}"), part, ends
                ),
                under_test.target.pace,
            )


def _in_turn(register: Register, states: Sequence[bytes], ends: float) -> None:
    token = None
    for state in states:
        token = register.write(state, token)
        found = register.get_state()
        _same(f"the state {state[:60]!r}", found and found.state, state)
        if time.monotonic() > ends:
            return


def _same(what: str, found: bytes | None, expected: bytes) -> None:
    if found is None:
        raise ClauseFailed(f"{what} came back as None: no value reads as no state")
    at = next((number for number, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), None)
    first = min(len(found), len(expected)) if at is None else at
    that(
        found == expected,
        f"{what} came back as another one, from byte {first} on: {found[first : first + 20]!r} where "
        f"{expected[first : first + 20]!r} was written",
    )

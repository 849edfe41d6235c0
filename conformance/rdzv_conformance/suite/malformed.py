"""Tokens that are none, and tokens that are nearly right."""

from __future__ import annotations

import string
from decimal import Decimal
from fractions import Fraction
from typing import Any

MALFORMED: tuple[Any, ...] = (
    *("invalid", 12345, b"invalid", b"\xff\xfe", b"\x00", ("a", 1), "\udc80", "0", -1, 2**80, 1.5),
    *("", b"", 0, (), False),
    *([], ["invalid"], {"token": 1}, {1}, bytearray(b"invalid"), float("nan"), float("inf"), 1j, 10**5000),
    *("x" * 100_000, b"x" * 100_000, "\U0001f680", "\0", object),
)
MOST_PLACES = 64
LARGEST_FLOAT = 2**1000
DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"


def nearly(token: object) -> list[Any]:
    """Return tokens that differ from a real one in one place, or by what is missing or on top; none is equal to it."""
    made = {
        bytes: _near_bytes,
        str: _near_text,
        int: _near_number,
    }.get(type(token), lambda _: [])(token)
    return [_EqualToAll(), *(each for each in made if type(each) is not type(token) or each != token)]


class _EqualToAll:
    """Says of anything that it is the same, as mocks do."""

    def __eq__(self, _: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def _near_bytes(token: Any) -> list[Any]:
    places = _places(len(token))
    one_other = [token[:at] + bytes([token[at] ^ bit]) + token[at + 1 :] for at in places for bit in (0x80, 1)]
    one_other += [bytes(byte ^ bit for byte in token) for bit in (2, 4, 8, 16, 32, 64)]
    longer = [token + b"\0", token + token, b"\0" + token, token + b" "]
    shorter = [token[:length] for length in (1, 4, 8, len(token) // 2, len(token) - 1)] + [token[1:], token[-8:]]
    buffers = [bytearray(token), memoryview(token)]
    return [*one_other, *longer, *shorter, *buffers, token[::-1], token.swapcase(), token.hex(), token.hex().encode()]


def _near_text(token: Any) -> list[Any]:
    places = _places(len(token))
    one_other = [token[:at] + chr(ord(token[at]) ^ 1) + token[at + 1 :] for at in places]
    longer = [f"{token} ", f" {token}", token + token, f"{token}\0", f"0{token}", f"{token}.0"]
    shorter = [token[:length] for length in (1, 4, 8, len(token) // 2, len(token) - 1)] + [token[1:], token[-8:]]
    # As wide as Chinese characters, which one normal form takes for the same; and base64 of the same bytes.
    wide = "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in token)
    loose = [token[:at] + _next(token[at]) + token[at + 1 :] for at in range(max(0, len(token) - 4), len(token))]
    others = [wide, *loose, token[:1] + "-" + token[1:], token[:1] + " " + token[1:]]
    return [*one_other, *longer, *shorter, *others, token[::-1], token.swapcase(), token.encode("utf-8", "replace")]


def _next(digit: str) -> str:
    """Return the digit of base64 behind this one, which differs in the last bit where that is not set."""
    at = DIGITS.find(digit)
    return DIGITS[at ^ 1] if at >= 0 else digit


def _near_number(token: Any) -> list[Any]:
    apart = [sign * 2**power for power in (0, 8, 16, 31, 32, 53, 63, 64) for sign in (1, -1)]
    equal = [Fraction(token), Decimal(token), *([float(token)] if abs(token) < LARGEST_FLOAT else [])]
    return [
        *(token + each for each in apart),
        *equal,
        -token,
        str(token),
        str(token).encode(),
        Fraction(token) + Fraction(1, 2),
    ]


def _places(length: int) -> range:
    return range(0, length, max(1, length // MOST_PLACES))

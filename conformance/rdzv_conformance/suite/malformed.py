"""Tokens that are none, and tokens that are nearly right."""

from __future__ import annotations

from typing import Any

MALFORMED: tuple[Any, ...] = (
    *("invalid", 12345, b"invalid", b"\xff\xfe", b"\x00", ("a", 1), "\udc80", "0", -1, 2**80, 1.5),
    *("", b"", 0, (), False),
)
MOST_PLACES = 64


def nearly(token: object) -> list[Any]:
    """Return tokens that differ from a real one in one place, or by what is missing or on top; none is equal to it."""
    made = {
        bytes: _near_bytes,
        str: _near_text,
        int: _near_number,
    }.get(type(token), lambda _: [])(token)
    return [each for each in made if type(each) is not type(token) or each != token]


def _near_bytes(token: Any) -> list[Any]:
    places = _places(len(token))
    one_other = [token[:at] + bytes([token[at] ^ 0x80]) + token[at + 1 :] for at in places]
    longer = [token + b"\0", token + token, b"\0" + token, token + b" "]
    shorter = [token[:length] for length in (1, 4, 8, len(token) // 2, len(token) - 1)] + [token[1:], token[-8:]]
    return [*one_other, *longer, *shorter, token[::-1], token.swapcase(), token.hex(), token.hex().encode()]


def _near_text(token: Any) -> list[Any]:
    places = _places(len(token))
    one_other = [token[:at] + chr(ord(token[at]) ^ 1) + token[at + 1 :] for at in places]
    longer = [f"{token} ", f" {token}", token + token, f"{token}\0", f"0{token}", f"{token}.0"]
    shorter = [token[:length] for length in (1, 4, 8, len(token) // 2, len(token) - 1)] + [token[1:], token[-8:]]
    return [*one_other, *longer, *shorter, token[::-1], token.swapcase(), token.encode("utf-8", "replace")]


def _near_number(token: Any) -> list[Any]:
    apart = [sign * 2**power for power in (0, 8, 16, 31, 32, 53, 63, 64) for sign in (1, -1)]
    return [*(token + each for each in apart), -token, str(token), str(token).encode(), token + 0.5]


def _places(length: int) -> range:
    return range(0, length, max(1, length // MOST_PLACES))

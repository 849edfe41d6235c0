"""Names that are several, and have one hash of 32 bits."""

from __future__ import annotations

import hashlib

FIRST, LAST = slice(4), slice(-4, None)
_DIGESTS = (
    *(("md5", FIRST), ("md5", LAST), ("sha1", FIRST), ("sha1", LAST), ("sha256", FIRST), ("sha256", LAST)),
    ("sha512", FIRST),
)
_FNV_BEGINS, _FNV_PRIME = 2166136261, 16777619
_SCATTERS = 2654435761


def of_one_short_hash(beginning: str, most: int = 500_000) -> list[str]:
    """Return pairs of names with this beginning whose hashes of 32 bits are alike, by those that many use.

    Among so many names there are two for sure. Hashes for which any two names will do are in `alike`.
    """
    begun = [(hashlib.new(name, beginning.encode(), usedforsecurity=False), part) for name, part in _DIGESTS]
    numbers = [_alike_in_digest(digest, part, most) for digest, part in begun]
    numbers += [_alike_in_digest(hashlib.blake2b(beginning.encode(), digest_size=4), FIRST, most)]
    ends = [str(number) for pair in numbers for number in pair] + [*_alike_in_fnv_1a(beginning.encode(), most)]
    return [f"{beginning}{end}" for end in ends]


def _alike_in_digest(before: hashlib._Hash | hashlib.blake2b, part: slice, most: int) -> tuple[int, ...]:
    seen: dict[bytes, int] = {}
    for number in range(most):
        digest = before.copy()
        digest.update(b"%d" % number)
        if (earlier := seen.setdefault(digest.digest()[part], number)) != number:
            return earlier, number
    return ()


def _alike_in_fnv_1a(beginning: bytes, most: int) -> tuple[str, ...]:
    begun = _fnv_1a(_FNV_BEGINS, beginning)
    seen: dict[int, str] = {}
    for number in range(most):
        end = f"{number * _SCATTERS & 0xFFFFFFFF:08x}"  # of numbers in a row no two are alike
        if (earlier := seen.setdefault(_fnv_1a(begun, end.encode()), end)) != end:
            return earlier, end
    return ()


def _fnv_1a(state: int, text: bytes) -> int:
    for byte in text:
        state = ((state ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return state

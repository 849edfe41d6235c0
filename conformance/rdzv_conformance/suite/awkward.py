"""States that somebody, somewhere, takes for something: what is dropped, decoded, decompressed or stripped."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import pickle
import zlib
from collections.abc import Iterator

from rdzv_core.envelope import seal

MARKS = ("efbbbf", "fffe", "feff", "fffe0000", "0000feff", "2b2f7638")
"""Byte order marks."""

MAGIC = (
    *("1f8b", "1f8b08", "7801", "789c", "78da", "425a68", "fd377a585a00", "28b52ffd", "04224d18", "504b0304"),
    *("ff060000734e61507059", "80049503", "8003", "aced0005", "7f454c46", "89504e470d0a1a0a", "00000000", "ffffffff"),
    *("c3a9", "c080", "eda080", "f4908080", "ff", "1b5b316d", "1a", "04", "7f"),
)
"""How compressed, pickled and other files begin."""

WORDS = (
    *("%PDF-", "#!", "<?xml?>", "---\n", "{", "[", '"text"', "b'x'", "''", "eyJhIjoxfQ==", "H4sIAAAA", "gAAAAAB"),
    *("enc:x", "vault:v1:x", "base64:eA==", "\\x6162", "0x6162", "+OK\r\n", "$-1\r\n", "*0\r\n", "-ERR x\r\n"),
    *("\r\n.\r\n", "END\r\n", "%41%00", "a+b%20c", "&amp;&lt;", "\\n\\t\\u0041", "=41=0A", "'; --", "$HOME", "{{x}}"),
    *("NaN", "007", "1e3", "-0", "+5", "0.10", "True", "yes", "NULL", "nil", "undefined", "tombstone", "__deleted__"),
    *(" x", "x ", "\nx\n", "\tx\t", "x\r\n", "x\0", "x\0\0", "\0x", "x\x1ay", "x\x7f", "é", "e\u0301", "ß", "\u212b"),
    *("\ufb01", "\u202e", "\u2028", "\u00a0x\u00a0", "🚀", "null", "None", "{}", "0", "false", "deleted", "canimadam"),
    *("0\r\n\r\n", "x\r\n0\r\n\r\n", "\r\n--boundary--\r\n", "From x\n", "x\nFrom y\n", "x\n.\ny", "x\n\n\ny", "a\tb"),
    *("rdzv1 ", "rdzv1 00000000000000000000000000000000 0 00000000\n"),
)
TWINS = (
    (b"plumless", b"buckeroo"),  # of one CRC-32
    (b"a" * 5000 + b"1" + b"a" * 5000, b"a" * 5000 + b"2" + b"a" * 5000),
    (b"1" + b"a" * 10_000, b"2" + b"a" * 10_000),
    (b"a" * 10_000 + b"1", b"a" * 10_000 + b"2"),
    (b"ab" * 500, b"ba" * 500),  # of one sum
    (b"", b"\0"),
    (bytes(range(256)) * 40, bytes(range(256)) * 20),  # the second is the first one's beginning
    (b"ab" * 5000, b"ab" * 100),
    (b"x", b"x\0"),
)
"""Pairs that are alike by length, checksum, beginning or end."""


def awkward_values() -> Iterator[bytes]:
    """Return states, all different, each of which means something to some library."""
    seen: set[bytes] = set()
    for value in _all():
        if value not in seen:
            seen.add(value)
            yield value


def _all() -> Iterator[bytes]:
    yield from (b"", b"\0", b"\n", b"a\r\nb\n", b" ", b"\xff\xfe\x80", bytes(range(256)), "käse".encode("utf-16"))
    yield from (bytes.fromhex(mark) + b"state" for mark in MARKS)
    yield from (bytes.fromhex(mark) for mark in MARKS)
    yield from (bytes.fromhex(magic) + b" and no more" for magic in MAGIC)
    yield from (word.encode() for word in WORDS)
    content = b"content " * 20
    yield from (gzip.compress(content), zlib.compress(content), bz2.compress(content), lzma.compress(content))
    yield from (pickle.dumps({"a": 1}), base64.b64encode(content), json.dumps({"a": [1, None]}).encode())
    yield from (b"a" * 5000, b"\0" * 5000, b"ab" * 2500, seal(b"sealed twice"))

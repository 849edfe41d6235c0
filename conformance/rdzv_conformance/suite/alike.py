"""Names that somebody, somewhere, takes for one: in another case, composed, shortened, stripped, escaped."""

from __future__ import annotations

_CASES = (
    *(
        "case",
        "CASE",
        "Case",
        "Ä",
        "ä",
        "ẞ",
        "ß",
        "ss",
        "Я",
        "я",
        "Σ",
        "\u03c3",
        "ς",
        "\u0130",
        "\u0131",
        "i",
        "I",
        "\u017f",
        "s",
    ),
    *("K", "k", "\u212a", "Å", "å", "\u212b", "ǅ", "ǆ", "Ω", "\u2126", "µ", "μ", "\u039c"),
)
_COMPOSED = (
    *(
        "A\u030a",
        "e\u0301",
        "é",
        "a\u0308",
        "가",
        "\u1100\u1161",
        "ﬁ",
        "fi",
        "①",
        "1",
        "\uff11",
        "²",
        "2",
        "\uff2b",
        "㎏",
        "kg",
    ),
    *("x\u200b", "x\u200d", "x\u00ad", "x\ufeff", "\ufeffx", "x\u202e", "x\u00a0", "中文", "🚀", "🚀\ufe0f", "x\x7f"),
)
_SCRIPTS = (
    *("🎉", "\ufffd", "𝐱", "か", "カ", "ｶ", "が", "は", "ば", "ぱ", "ש", "ש\u05c1", "ب", "ب\u064e"),  # noqa: RUF001
    *("क", "क\u093c", "क\u093f", "١", "१", "۱", "о", "o", "а", "a", "е", "e", "台", "臺", "Ａ", "A"),  # noqa: RUF001
)
"""In one plane, in two syllabaries, without marks, digits of several scripts, letters that look alike."""
_HASHED = ("Aa", "BB", "AaBB", "BBAa", "aca", "bab", "Ab", "BA", "axjgjz", "ziieqj", "ccaoacux", "wcjifoae")
"""Of one hash h * 31 + c, Adler-32, h * 33 + c, h * 65599 + c and CRC-32C, whatever stands before.

The last two pairs were drawn at random until two of one length had one hash.
"""
PURPOSES = (
    *("state", "default", "main", "run", "own", "root", "self", "none", "None", "null", "register", "registers"),
    *("members", "member", "store", "stores", "lock", "data", "value", "leader", "index", "config", "meta", "tmp"),
    *("locks", "token", "tokens", "version", "versions", "keys", "waits", "empty", "undefined", "con", "_con"),
)
"""Words that a backend may keep something of its own under."""
_MARKED = (
    *(
        "x",
        "X",
        "x ",
        " x",
        "x  ",
        "x\t",
        "x\n",
        "x\r\n",
        "x\0",
        "x\0x",
        "x.",
        "x..",
        ".",
        "..",
        "x/",
        "x//",
        "/.",
        "/..",
    ),
    *(
        "/../x",
        "x\\",
        "a/b",
        "a\\b",
        "a b",
        "a+b",
        "a%20b",
        "%2F",
        "%00",
        "%s",
        "{}",
        "$HOME",
        "'",
        '"',
        ";--",
        "*",
        "?",
    ),
    *("#", "&", "=", "x_", "x%", "x-", "x:", "x,", "x;", "x|y", "x@y", "~", "plumless", "buckeroo", "-0", "0", "00"),
)
_ESCAPED = (
    *(
        "a%2Fb",
        "a%2fb",
        "a__b",
        "a_b",
        "a-b",
        "a.b",
        "a:b",
        "a~b",
        "a=2Fb",
        "a\\x2fb",
        "a\\/b",
        "a//b",
        "a&#47;b",
        "ab",
    ),
    *("x\\0", "x%00", "x\\x00", "x_00", "x\\n", "x%0A", "x%20", "x%2E", "x%25", "x%", "x%%", "x\\\\", "x\x85", "x\x1f"),
    *(
        "x.lock",
        "x:lock",
        "x/lock",
        "x-lock",
        "x_lock",
        ".lock",
        ":lock",
        "/lock",
        "-lock",
        "_lock",
        ".tmp",
        "~",
        ".bak",
    ),
    *(".token", ":token", "/token", ":version", "/version", ".version", ":seq", ":state", "/state", ".state", "/value"),
)
"""What escapes of such characters look like, and what is kept beside a key."""
_WRITTEN_ELSE = (
    *("a~1b", "a~0b", "a\uff0fb", "a\uff1ab", "a_2Fb", "a-2Fb", "a_2fb", "a-2fb", "a\\u002fb", "a\\u002Fb", "a=2fb"),
    *("a&b", "a&amp;b", "a<b", "a&lt;b", "a>b", "a&gt;b", "a--b", "a$$b", "a$b", "a''b", "a'b", 'a""b', 'a"b'),
    *(
        "a\\'b",
        'a\\"b',
        "a\\\\b",
        "a/./b",
        "a/../b",
        "a/c/../b",
        "a..b",
        "a  b",
        "a\tb",
        "a{b}",
        "{a}b",
        "a[b]",
        "a(b)",
    ),
    *("-1", "-01", "-001", "a7", "a07", "-con", "-_con", "-con_", "x:meta", ":meta", "x:rev", ":rev", "x_token"),
    *("_token", "x.tmp", "x~", "x:tokens", "x:locks"),
)
"""Names in the escapes of JSON pointers, file copiers, queries and markup; as paths, numbers and devices are read."""
BETWEEN = ("", "/", "//", "\\", ":", "::", ".", "-", "_", "__", "|", "#", "@", "~", "+", ",", " ", "%", "\0")
"""What is put between two names where they are kept as one."""
_CUTS = (32, 63, 64, 127, 128, 250, 255, 256, 511, 900)


def names_alike(longest: int = 1024) -> list[str]:
    """Return names, all different, none empty, none of more than `longest` bytes in UTF-8."""
    filled = ["x" * length + end for length in _CUTS for end in ("y", "z")]
    beginning = ["y" + "x" * 300, "z" + "x" * 300, "x" * 150 + "y" + "x" * 150, "x" * 150 + "z" + "x" * 150]
    beginning += ["x" * 250 + end + "x" * 250 for end in "yz"] + ["x" * 400 + end + "x" * 400 for end in "yz"]
    wide = ["ä" * 127 + "y", "ä" * 127 + "z", "🚀" * 63 + "y", "🚀" * 63 + "z"]
    every = dict.fromkeys([*_CASES, *_COMPOSED, *_SCRIPTS, *_HASHED, *_MARKED, *_ESCAPED, *_WRITTEN_ELSE, *filled])
    every |= dict.fromkeys([*beginning, *wide])
    return [name for name in every if len(name.encode()) <= longest]

"""What is nearly a secret, for some reader of it."""

from __future__ import annotations

import base64
import hashlib
import urllib.parse

LOOK_ALIKES = str.maketrans("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ")  # noqa: RUF001 - that they look alike is the point
DIGESTS = ("md5", "sha1", "sha256", "sha512")
FURTHER_DIGESTS = ("sha224", "sha384", "sha3_256", "blake2b")
DEFAULTS = ("admin", "password")


def nearly(secret: str) -> dict[str, str]:
    """Return what is nearly a secret, by words for it; none is equal to it, and one is empty."""
    near = {**_in_part(secret), **_with_more(secret), **_bent(secret), **_encoded(secret)}
    near |= {**_parsed(secret), **_escaped(secret), **_kept(secret), **_matching(secret)}
    return {what: value for what, value in near.items() if value != secret}


def hard_to_send(secret: str) -> dict[str, str]:
    """Return those that end in what some protocols cannot carry: a client may refuse them by itself."""
    return {
        what: value for what, value in nearly(secret).items() if value.startswith(secret) and not value.isprintable()
    }


def _in_part(secret: str) -> dict[str, str]:
    return {
        "the first 8 characters of the secret": secret[:8],
        "all but the last character of the secret": secret[:-1],
        "all but the first character of the secret": secret[1:],
        "the secret without its spaces": secret.replace(" ", ""),
        "the secret without an accent": "".join(each for each in secret if each.isascii()),
        "an empty secret": "",
    }


def _with_more(secret: str) -> dict[str, str]:
    around = {
        "a space": " ",
        "a newline": "\n",
        "a tab": "\t",
        "a no-break space": "\u00a0",
        "a byte order mark": "\ufeff",
        "a carriage return": "\r",
    }
    return {
        "the secret with something behind it": f"{secret}x",
        "the secret with something before it": f"x{secret}",
        **{f"the secret with {what} behind it": secret + more for what, more in around.items()},
        **{f"the secret with {what} before it": more + secret for what, more in around.items()},
        "the secret twice": secret * 2,
        "the secret with a NUL and more behind it": f"{secret}\0x",
        "the secret in quotes": f"'{secret}'",
        "the secret in double quotes": f'"{secret}"',
        "the secret behind the word Bearer": f"Bearer {secret}",
    }


def _bent(secret: str) -> dict[str, str]:
    middle = len(secret) // 2
    other = "x" if secret[middle : middle + 1] != "x" else "y"
    return {
        "the secret in another case": secret.swapcase(),
        "the secret with another character within": secret[:middle] + other + secret[middle + 1 :],
        "the secret with another end": secret[:-1] + ("x" if not secret.endswith("x") else "y"),
        "the secret in wide characters": "".join(chr(ord(e) + 0xFEE0) if "!" <= e <= "~" else e for e in secret),
        "the secret with a tab for each space": secret.replace(" ", "\t"),
        "the secret with two spaces for each": secret.replace(" ", "  "),
        "the secret with a space within": f"{secret[:middle]} {secret[middle:]}",
        "the secret with a zero-width space within": f"{secret[:middle]}\u200b{secret[middle:]}",
        "the secret in letters that look alike": secret.translate(LOOK_ALIKES),
        "the secret backwards": secret[::-1],
    }


def _encoded(secret: str) -> dict[str, str]:
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        "the secret in percent signs": "".join(f"%{byte:02X}" for byte in raw),
        "the secret as in a form": urllib.parse.quote_plus(secret),
        "the secret in base64": base64.b64encode(raw).decode(),
        "the secret in hexadecimal": raw.hex(),
        **{f"the {name} of the secret": hashlib.new(name, raw).hexdigest() for name in DIGESTS},
    }


def _parsed(secret: str) -> dict[str, str]:
    """Return what is the secret for a reader that looks for it among other things."""
    middle = len(secret) // 2
    return {
        "the secret with a vertical tab behind it": f"{secret}\v",
        "the secret with a form feed before it": f"\f{secret}",
        "the secret with a comment behind it": f"{secret} #x",
        "the secret with a user before it": f"user:{secret}",
        "the secret with a name before it": f"password={secret}",
        "the secret in a list": f"x,{secret}",
        "the secret in a list of lines": f"x\n{secret}",
        "the secret with a letter and a backspace within": f"{secret[:middle]}x\b{secret[middle:]}",
        "the secret with its first letter in another case": secret[:1].swapcase() + secret[1:],
    }


def _escaped(secret: str) -> dict[str, str]:
    """Return what is the secret once its escapes are read."""
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        "the secret in backslash escapes": "".join(f"\\x{byte:02x}" for byte in raw),
        "the secret in escapes of JSON": "".join(f"\\u{ord(each):04x}" for each in secret),
        "the secret in entities": "".join(f"&#{ord(each)};" for each in secret),
        "the secret in quoted-printable": "".join(f"={byte:02X}" for byte in raw),
        "the secret in base32": base64.b32encode(raw).decode(),
        "the secret in hexadecimal, upper case": raw.hex().upper(),
    }


def _kept(secret: str) -> dict[str, str]:
    """Return what stores keep of a secret: its hash, in the ways of some."""
    raw = secret.encode("utf-8", "surrogatepass")
    once, short = hashlib.sha256(raw), hashlib.sha1(raw)  # noqa: S324 - there are stores that do
    twice = hashlib.sha1(short.digest())  # noqa: S324 - the same
    return {
        **{f"the {name} of the secret": hashlib.new(name, raw).hexdigest() for name in FURTHER_DIGESTS},
        "the sha256 of the secret in base64": base64.b64encode(once.digest()).decode(),
        "the sha256 of the secret in upper case": once.hexdigest().upper(),
        "the sha256 of the secret as Redis writes it": f"#{once.hexdigest()}",
        "the sha1 of the secret as LDAP writes it": f"{{SHA}}{base64.b64encode(short.digest()).decode()}",
        "the sha1 of the secret's sha1 as MySQL writes it": f"*{twice.hexdigest().upper()}",
    }


def _matching(secret: str) -> dict[str, str]:
    """Return patterns that a secret matches, and secrets that came with many a store."""
    return {
        "a wildcard": "*",
        "the secret's first letter and a wildcard": f"{secret[:1]}*",
        "a question mark for each character": "?" * len(secret),
        "a pattern of SQL": "%",
        "a regular expression": ".*",
        **{f"the secret {each!r}": each for each in DEFAULTS},
    }

"""Options of a backend: named, typed, documented, and read in one place.

A backend declares its table once; validation, `rdzv backends NAME` and the docs all come from it::

    READ_TIMEOUT = Option("read_timeout", int, 60, "seconds to wait for an answer", positive=True)

    @accepts_options(READ_TIMEOUT)
    def create_backend(params: RendezvousParameters) -> RendezvousBackend:
        return MyBackend(params.endpoint, timeout=READ_TIMEOUT.of(params))
"""

from __future__ import annotations

import difflib
import logging
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "Configured",
    "Option",
    "OptionTable",
    "accepts_options",
    "check_options",
    "is_secret",
    "options_of",
    "parse_bool",
    "parse_float",
    "parse_int",
    "read_secret_file",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_MOST_SECRET_BYTES = 64 * 1024

log: logging.Logger = logging.getLogger("rdzv")


class Configured(Protocol):
    """What has options: `RendezvousParameters`."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The options that were given, by name."""


_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n"})
# Stricter than int(): no 1_000, no digits of other scripts, nothing longer than a store or a clock could use.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

_SECRETS: set[str] = set()
"""The names of all secret options that were ever declared."""
_SECRET_WORDS = ("password", "passwd", "token", "secret", "credential")


def is_secret(name: str) -> bool:
    """Whether an option of that name is, or looks like, a secret; the path of a file that holds one is not."""
    name = name.lower()
    return name in _SECRETS or (not name.endswith("_file") and any(word in name for word in _SECRET_WORDS))


def parse_bool(name: str, value: object) -> bool:
    """Read a boolean: 1/true/t/yes/y or 0/false/f/no/n in any case, a bool, 0 or 1; else `ValueError`."""
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"option {name}={value!r} is not a boolean: use true or false (also 1/t/yes/y, 0/f/no/n)")


def parse_int(name: str, value: object) -> int:
    """Read an integer, from an int or its decimal text; else `ValueError`."""
    text = str(value).strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"option {name}={value!r} is not an integer")
    return int(text)


def parse_float(name: str, value: object) -> float:
    """Read a finite number; else `ValueError`."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in str(value):
        raise ValueError(f"option {name}={value!r} is not a finite number")
    return number


@dataclass(frozen=True)
class Option(Generic[T]):
    """One option: its name, type (`str`, `bool`, `int` or `float`), default (None: unset) and one line of help.

    `positive` and `not_negative` bound a number; `choices` are matched in any case. A `secret` is never shown, and may
    be given as the option `<name>_file` instead, the path of a file that holds it: a backend need not do anything.

    A backend's option must not have the name of one of the handler's (`rdzv backends NAME` lists them): the two would
    share one value, and the backend is refused with `BackendLoadError`. The command line takes every option from the
    environment as well, as RDZV_OPTION_ and the name in capitals, so give names of lower-case letters, digits and `_`.
    """

    name: str
    type: type[T]
    default: T | None
    help: str
    positive: bool = False
    not_negative: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False

    def __post_init__(self) -> None:
        if self.secret:
            _SECRETS.add(self.name.lower())

    def of(self, params: Configured) -> T:
        """Read the option from `params.config`, or return its default; raises `ValueError` naming option and value."""
        value = self.optional(params)
        if value is None:
            raise ValueError(f"option {self.name} must be given: {self.help}")
        return value

    def optional(self, params: Configured) -> T | None:
        """Like `of`, for an option that may be unset: returns None then."""
        value = params.config.get(self.name)
        return self.default if value is None else self.parse(value)

    def parse(self, value: object) -> T:
        """Turn a given value, text or not, into the option's type; raises `ValueError`, which shows no secret."""
        if not self.secret:
            return self._parse(value)
        try:
            return self._parse(value)
        except ValueError:
            pass  # chained, it would be shown after all
        wanted = f"one of {', '.join(self.choices)}" if self.choices else f"a value of type {self.type.__name__}"
        raise ValueError(f"option {self.name} is not {wanted} (its value is secret and not shown): {self.help}")

    def _parse(self, value: object) -> T:
        if self.choices:
            return self._choose(value)
        reader = _READERS.get(self.type)
        parsed: Any = reader(self.name, value) if reader else str(value)
        if isinstance(parsed, (int, float)) and self._out_of_bounds(parsed):
            bound = "must be a positive" if self.positive else "must be a non-negative"
            raise ValueError(f"option {self.name}={value!r} {bound} {'integer' if self.type is int else 'number'}")
        return parsed  # type: ignore[no-any-return]

    def _out_of_bounds(self, number: float) -> bool:
        return (self.positive and number <= 0) or (self.not_negative and number < 0)

    def _choose(self, value: object) -> T:
        text = str(value).strip().lower()
        if text not in self.choices:
            raise ValueError(f"option {self.name}={value!r} is not supported: choose one of {', '.join(self.choices)}")
        return text  # type: ignore[return-value]


_READERS: dict[type, Callable[[str, object], Any]] = {bool: parse_bool, int: parse_int, float: parse_float}

OptionTable = tuple[Option[Any], ...]


def accepts_options(*table: Option[Any]) -> Callable[[F], F]:
    """Attach an options table to a backend's factory; a factory without one accepts no option of its own."""

    def attach(factory: F) -> F:
        factory.options = table  # type: ignore[attr-defined]
        return factory

    return attach


def options_of(factory: object) -> OptionTable:
    """Return the options table of a factory (its attribute `options`), empty if it has none.

    Raises `TypeError` if the table holds something that is no `Option`. An attribute of that name that is not a tuple
    or list, such as a property of the backend, is not a table.
    """
    table = getattr(factory, "options", ())
    if not isinstance(table, (tuple, list)):
        return ()
    for option in table:
        if not isinstance(option, Option):
            raise TypeError(f"the options table of {factory!r} holds {option!r}, which is not an rdzv_core.Option")
    return tuple(table)


def check_options(owner: str, table: Iterable[Option[Any]], config: Mapping[str, object]) -> None:
    """Raise `ValueError` for an option of `config` that `table` does not know, or whose value it refuses."""
    known = {option.name: option for option in table}
    for name, value in config.items():
        if name not in known:
            raise ValueError(_unknown(owner, name, value, known))
        if value is not None:
            known[name].parse(value)


def _unknown(owner: str, name: str, value: object, known: Mapping[str, Option[Any]]) -> str:
    accepted = sorted(known)
    near = difflib.get_close_matches(name.lower(), accepted, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    # A mistyped pasword is one all the same.
    shown = "…" if is_secret(name) or (near and known[near[0]].secret) else repr(value)
    return f"unknown option {name}={shown} for {owner}: {guess}accepted are {', '.join(accepted) or 'none'}"


def read_secret_file(name: str, path: str) -> str:
    """Return what a file holds, without one newline at its end: the secret that option `name` gives the path of.

    Bytes that are not UTF-8 are decoded as those of a command line are. A file that every user of the machine can read
    is warned about. Raises `ValueError`, which shows nothing of the secret, for one that cannot be read or is empty.
    """
    told = f"option {name}={path!r}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - its mode is asked of what was opened
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        raise ValueError(f"{told}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > _MOST_SECRET_BYTES:
        raise ValueError(f"{told}: the file is over {_MOST_SECRET_BYTES // 1024} KiB: it should hold the secret alone")
    secret = content.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if not secret.strip():
        raise ValueError(f"{told}: the file is empty")
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        log.warning("%s: every user of this machine can read the secret: run `chmod 600 %s`", told, path)
    return secret

"""Secret options from files: any user can read a command line with `ps`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rdzv_core.options import Option, OptionTable, read_secret_file

SUFFIX = "_file"


def with_files(table: Iterable[Option[Any]]) -> OptionTable:
    """Return the table, and after each secret option X without an `X_file` of the backend's own that one."""
    table = tuple(table)
    names = {option.name for option in table}
    made: list[Option[Any]] = []
    for option in table:
        made.append(option)
        if option.secret and (name := option.name + SUFFIX) not in names:
            made.append(
                Option(name, str, None, f"a file that holds {option.name} instead (one newline at its end is cut)")
            )
    return tuple(made)


def read_secrets(table: Iterable[Option[Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with what the files hold in place of their names.

    `table` is one made by `with_files`. Raises `ValueError`, without the secret, for a file that cannot be read or
    whose secret the option refuses, and where the option is given as well.
    """
    read, options = dict(config), {option.name: option for option in table}
    for option in options.values():
        place = option.name + SUFFIX
        if not option.secret or read.get(place) is None or not _is_ours(options[place], option):
            continue
        if read.get(option.name) is not None:
            raise ValueError(f"options {option.name} and {place}={read[place]!r} are both given: give one of them")
        path = str(read.pop(place))
        secret = read[option.name] = read_secret_file(place, path)
        option.parse(secret)
    return read


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` under `over`, where X and `X_file` are two ways to give one option."""
    given = {name.removesuffix(SUFFIX) for name in over}
    return {**{name: value for name, value in base.items() if name.removesuffix(SUFFIX) not in given}, **over}


def _is_ours(place: Option[Any], option: Option[Any]) -> bool:
    return place in with_files((option,))

"""What a process is started with: its arguments are there for whoever asks the system for a list of processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

Listener = Callable[[str, str], None]

_ARGUMENTS = {"subprocess.Popen": 2, "os.posix_spawn": 2, "os.exec": 2, "os.system": 1}
"""Events of the interpreter, and how many of their arguments are the command; the last one is an environment."""

_listeners: list[Listener] = []


@contextmanager
def told_of_process_starts(listener: Listener) -> Iterator[None]:
    """Call the listener with what is told of each process that this one starts meanwhile, and where."""
    _install()
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@cache
def _install() -> None:
    sys.addaudithook(_heard)  # there is no way to take one away: it does nothing where nobody listens


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listeners or event not in _ARGUMENTS:
        return
    command = arguments[: _ARGUMENTS[event]]
    environment = arguments[-1] if len(arguments) > _ARGUMENTS[event] else None
    for listener in [*_listeners]:
        listener("arguments of a process", _text(command))
        if isinstance(environment, Mapping):
            listener("environment of a process", _text(_added(environment)))


def _added(environment: Mapping[Any, Any]) -> list[Any]:
    """Return what the variables hold that this process has not."""
    return [value for name, value in environment.items() if os.environ.get(_text(name)) != _text(value)]


def _text(each: Any) -> str:
    if isinstance(each, (tuple, list)):
        return " ".join(_text(part) for part in each)
    return os.fsdecode(each) if isinstance(each, (bytes, os.PathLike)) else str(each)

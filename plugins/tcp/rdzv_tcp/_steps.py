"""What a call asks the server, one request after the other, on its own thread or on another."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias, TypeVar

from rdzv_tcp._wire import Answer, Request

R = TypeVar("R")


class Ask(NamedTuple):
    """A request that may be sent any number of times, made anew for each, and `seconds` for it altogether."""

    make: Callable[[], Request]
    seconds: float


Steps: TypeAlias = Generator[Ask, Answer, R]
"""Yields what is to be asked, is sent the answers, and returns the call's result."""

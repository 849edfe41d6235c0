"""What the tests of the fallback share: memberships on registers of a test's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from rdzv_core._fallback import RegisterMembership
from rdzv_core._fallback.pace import Life
from tests.core.fallback.registers import Interference


@pytest.fixture
def interference() -> Interference:
    """What comes between `here` and its registers."""
    return Interference()


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(Life, "sleep", lambda life, seconds: life.check())


@pytest.fixture
def make_port(make_bare: Any, clock: Any, closing: ExitStack) -> Callable[..., RegisterMembership]:
    """Makes memberships of one run, as other nodes would have them."""

    def make(before: Any = None) -> RegisterMembership:
        port = RegisterMembership(make_bare(before), clock)
        closing.callback(port.close)
        return port

    return make


@pytest.fixture
def here(make_port: Any, interference: Interference) -> RegisterMembership:
    """This node."""
    return make_port(interference)  # type: ignore[no-any-return]


@pytest.fixture
def there(make_port: Any) -> RegisterMembership:
    """Another node, which is not interfered with."""
    return make_port()  # type: ignore[no-any-return]

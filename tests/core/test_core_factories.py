"""Classes that an author has not finished: what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core import BackendLoadError, BackendRegistry, RendezvousBackend, RendezvousParameters


class WithoutSetState(RendezvousBackend):
    """Lacks the method that writes."""

    name = "mine"

    def __init__(self, params: RendezvousParameters) -> None: ...

    def get_state(self) -> None: ...


class WithoutParameters(RendezvousBackend):
    """Is made of nothing."""

    name = "mine"

    def get_state(self) -> None: ...

    def set_state(self, state: bytes, token: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (WithoutSetState, r"backend 'mine' \(.*:WithoutSetState\) does not implement set_state"),
        (WithoutParameters, r"WithoutParameters of backend 'mine' must take one argument, a RendezvousParameters"),
    ],
)
def test_a_class_that_cannot_be_made_says_what_is_missing(factory: Any, said: str) -> None:
    """The error names the backend, its class, and what its author has to write."""
    registry = BackendRegistry(lambda: ())
    registry.register("mine", factory)
    with pytest.raises(BackendLoadError, match=said):
        registry.create(RendezvousParameters("mine", "here", "run", 1, 1))

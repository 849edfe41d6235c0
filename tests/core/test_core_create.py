"""From parameters to a backend and a handler: plugins are asked once, and everybody gets what they said."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rdzv_core import (
    BackendRegistry,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    create_backend,
    create_handler,
    default_registry,
    register_backend,
)
from rdzv_core.hooks import Hooks, hookimpl
from rdzv_core.memory import MemoryBackend
from rdzv_core.options import Option

COLOUR = Option("colour", str, None, "an option of the store's own")


class Defaults:
    """A plugin that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl
    def rdzv_parameter_defaults(self, backend: str) -> dict[str, object]:
        self.asked.append(backend)
        return {"colour": "red", "keep_alive_interval": 0.5, "join_timeout": 7}


class Store:
    """A backend's factory whose first calls fail; it keeps what it was given."""

    def __init__(self, failures: int = 0) -> None:
        self.given: list[RendezvousParameters] = []
        self._failures = failures
        self.options = (COLOUR,)

    def __call__(self, params: RendezvousParameters) -> RendezvousBackend:
        self.given.append(params)
        if len(self.given) <= self._failures:
            raise RendezvousConnectionError("not there yet")
        return MemoryBackend(params)


@pytest.fixture
def plugin() -> Defaults:
    """A plugin that gives defaults."""
    return Defaults()


@pytest.fixture
def hooks(plugin: Defaults) -> Hooks:
    """Hooks with that plugin alone."""
    made = Hooks(load_installed=False)
    made.register(plugin)
    return made


def _registry(store: Store) -> BackendRegistry:
    registry = BackendRegistry(lambda: ())
    registry.register("memory", store)
    return registry


def test_a_backend_asks_the_plugins_for_defaults_once(plugin: Defaults, hooks: Hooks, tmp_path: Path) -> None:
    """And is made with them."""
    store = Store()
    params = RendezvousParameters("memory", str(tmp_path), "run", 1, 1, ttl=9)
    create_backend(params, _registry(store), hooks).close()

    assert ["memory"] == plugin.asked
    assert [{"colour": "red", "keep_alive_interval": 0.5, "join_timeout": 7, "ttl": 9}] == [
        each.config for each in store.given
    ]
    assert {"ttl": 9} == params.config


def test_a_handler_asks_the_plugins_for_defaults_once(plugin: Defaults, hooks: Hooks, tmp_path: Path) -> None:
    """However often the store has to be opened: its settings and its backend have the same ones."""
    store = Store(failures=3)
    params = RendezvousParameters("memory", str(tmp_path), "run", 1, 1)
    with create_handler(params, _registry(store), hooks) as handler:
        handler.next_rendezvous()
        assert (0.5, 7.0) == (handler.settings.keep_alive_interval, handler.settings.join_timeout)

    assert ["memory"] == plugin.asked
    assert ["red"] * 4 == [each.get("colour") for each in store.given]


def test_what_is_registered_is_in_the_default_registry(tmp_path: Path) -> None:
    """`register_backend` adds a backend for this process, which `default_registry` lists and creates."""

    name = f"memory-{tmp_path.name}".lower().replace("_", "-")

    class Mine(MemoryBackend):
        """A backend of that name."""

        @property
        def name(self) -> str:
            return name

    register_backend(name, Mine.from_params)
    assert name in [info.name for info in default_registry().list()]
    create_backend(RendezvousParameters(name, str(tmp_path), "run", 1, 1)).close()


def test_a_backend_knows_the_parameters_that_it_was_made_from(plugin: Defaults, hooks: Hooks, tmp_path: Path) -> None:
    """With aliases, defaults and secrets resolved; its siblings know theirs, and one made by hand has none."""
    params = RendezvousParameters("memory", str(tmp_path), "run", 1, 1)
    with closing(create_backend(params, _registry(Store()), hooks)) as backend:
        assert ("red", str(tmp_path)) == (backend.params.get("colour"), backend.params.endpoint)
        with closing(RendezvousBackend.sibling(backend, "other")) as sibling:
            assert "other" == sibling.params.purpose

    assert not hasattr(MemoryBackend(params), "params")

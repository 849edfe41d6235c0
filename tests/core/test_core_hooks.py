"""What plugins may say, and what becomes of it when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core._handler.head import Seat
from rdzv_core._handler.ranks import rank_order
from rdzv_core.hooks import Hooks, hookimpl

SEATS = [Seat(member="1", node="b", address="y"), Seat(member="2", node="a", address="x")]


def _ranks(said: Any) -> list[str]:
    class Plugin:
        @hookimpl
        def rdzv_assign_ranks(self, run_id: str, candidates: list[str], last: list[str]) -> Any:
            return said

    hooks = Hooks(load_installed=False)
    hooks.register(Plugin())
    return [seat.node for seat in rank_order(hooks, "run")(SEATS, [])]


class Odd:
    """Iterating it fails as no list does."""

    def __repr__(self) -> str:
        return "<Odd>"

    def __iter__(self) -> Any:
        raise RuntimeError("odd")


@pytest.mark.parametrize("said", [["a", "b"], ["b", "a"], ("b", "a"), {"b": 1, "a": 2}])
def test_a_plugin_gives_the_ranks(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever holds the nodes in an order will do."""
    assert _ranks(said) == list(said)
    assert not caplog.records


def test_ranks_that_can_be_read_only_once_are_read_once() -> None:
    """A generator is not a trap."""
    assert _ranks(iter(["b", "a"])) == ["b", "a"]


def test_none_leaves_the_ranks_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """To natural order, where nobody else says anything."""
    assert _ranks(None) == ["a", "b"]
    assert not caplog.records


@pytest.mark.parametrize(
    "said",
    [
        5,
        True,
        "ba!",
        ["a", 1],
        [None, "a"],
        [["a"], ["b"]],
        ["a"],
        ["a", "a"],
        ["a", "b", "c"],
        ["a", "b", "b"],
        [],
        Odd(),
    ],
    ids=repr,
)
def test_what_is_no_permutation_is_logged_and_ignored(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever type it is: no plugin ends the meeting of a node."""
    assert _ranks(said) == ["a", "b"]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"a plugin assigned ranks {said!r} to nodes ['b', 'a'], which is not a permutation; natural order is used"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("rdzv_evnt", "did you mean 'rdzv_event'"), ("rdzv_xyzzy_", "which does not exist: The hooks are rdzv_assign")],
)
def test_a_hook_that_does_not_exist_is_refused(name: str, said: str) -> None:
    """Nobody would ever call it: the error says whose it is, what it is called, and what was meant."""
    plugin = type("Plugin", (), {name: hookimpl(lambda self, event: None), "__repr__": lambda self: "<mine>"})()
    hooks = Hooks(load_installed=False)
    with pytest.raises(
        ValueError, match=f"the plugin <mine> implements the hook '{name}', which does not exist: .*"
    ) as e:
        hooks.register(plugin)
    assert said in str(e.value)
    assert not hooks.listening


def test_a_hook_of_a_later_version_may_be_marked_as_optional() -> None:
    """A plugin that serves several versions says so itself."""

    class Plugin:
        @hookimpl(optionalhook=True)
        def rdzv_later(self) -> None: ...

        @hookimpl
        def rdzv_event(self) -> None: ...

    hooks = Hooks(load_installed=False)
    hooks.register(Plugin())
    assert hooks.listening


def test_a_plugin_that_is_refused_is_not_listened_to_in_part() -> None:
    """Of two hooks the second has an argument that there is not: the first is not called either."""

    class Plugin:
        @hookimpl
        def rdzv_event(self, event: Any) -> None: ...

        @hookimpl
        def rdzv_parameter_defaults(self, bakend: str) -> None: ...

    hooks = Hooks(load_installed=False)
    with pytest.raises(ValueError, match="bakend"):
        hooks.register(Plugin())
    assert not hooks.listening


def test_a_plugin_that_is_registered_twice_stays() -> None:
    """The second time is an error, and changes nothing."""
    hooks, heard = Hooks(load_installed=False), Listener([])
    hooks.register(heard)
    with pytest.raises(ValueError, match="already"):
        hooks.register(heard)
    hooks.event(EVENT)
    assert heard.told == [EVENT]


EVENT: Any = object()


class Listener:
    """Hears events."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    @hookimpl
    def rdzv_event(self, event: Any) -> str:
        self.told.append(event)
        return "heard"


class Failing:
    """Fails at every event."""

    @hookimpl
    def rdzv_event(self, event: Any) -> None:
        raise RuntimeError("broken")


class Around:
    """A wrapper of today's kind."""

    def __init__(self, told: list[Any]) -> None:
        self.told = told

    @hookimpl(wrapper=True)
    def rdzv_event(self, event: Any) -> Any:
        self.told.append("before")
        result = yield
        self.told.append(("after", result))
        return result


class AroundOfOld(Around):
    """A wrapper of the older kind, which gets a `pluggy.Result`."""

    @hookimpl(hookwrapper=True)
    def rdzv_event(self, event: Any) -> Any:
        self.told.append("before")
        result = yield
        self.told.append(("after", result.get_result()))


@pytest.mark.parametrize("kind", [Around, AroundOfOld])
def test_a_hook_wrapper_goes_around_all_listeners(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the order of registration, and also around one that fails."""
    told: list[Any] = []
    hooks = Hooks(load_installed=False)
    for plugin in (Listener(told), kind(told), Failing()):
        hooks.register(plugin)
    assert hooks.listening
    hooks.event(EVENT)
    assert told == ["before", EVENT, ("after", ["heard"])]
    assert [record.exc_text and "broken" in record.exc_text for record in caplog.records] == [True]


@pytest.mark.parametrize("yields", [0, 2])
@pytest.mark.parametrize("fails", ["", "before", "after"])
def test_a_wrapper_that_is_broken_is_logged_and_harms_nobody(
    yields: int, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails, does not yield, or yields twice: listeners and other wrappers get the event."""

    class Broken:
        @hookimpl(wrapper=True)
        def rdzv_event(self, event: Any) -> Any:
            if fails == "before":
                raise RuntimeError("broken")
            for _ in range(yields):
                yield
                if fails == "after":
                    raise RuntimeError("broken")

    told: list[Any] = []
    hooks = Hooks(load_installed=False)
    for plugin in (Listener(told), Around(told), Broken()):
        hooks.register(plugin)
    hooks.event(EVENT)
    assert told == ["before", EVENT, ("after", ["heard"])]
    assert len(caplog.records) == 1


def test_a_plugin_that_is_unregistered_is_not_listened_to() -> None:
    """The others are; one that is not registered is an error."""
    told: list[Any] = []
    hooks, listener = Hooks(load_installed=False), Listener(told)
    hooks.register(listener)
    hooks.unregister(listener)
    hooks.event(EVENT)

    assert ([], False) == (told, hooks.listening)
    with pytest.raises(ValueError, match="is not registered"):
        hooks.unregister(listener)


def test_a_plugin_that_fails_is_logged_when_it_begins_to(caplog: pytest.LogCaptureFixture) -> None:
    """Not for each event: it may see thousands of them. Another one that fails is logged for itself."""
    hooks, failing = Hooks(load_installed=False), Failing()
    for plugin in (failing, Failing()):
        hooks.register(plugin)
    for _ in range(3):
        hooks.event(EVENT)
    hooks.unregister(failing)

    said = [record.getMessage() for record in caplog.records]
    assert 3 == len(said)
    assert f"the listener {failing!r} is closed: it missed 3 events" == said[-1]


def test_further_hooks_have_the_plugins_of_the_first_ones() -> None:
    """Each then has a list of its own: what is registered with one is not heard by the other."""
    first, second, third = [], [], []  # type: ignore[var-annotated]
    hooks = Hooks(load_installed=False)
    hooks.register(Listener(first))
    further = hooks.with_plugins([Listener(second)])
    hooks.register(Listener(third))
    further.event(EVENT)

    assert ([EVENT], [EVENT], []) == (first, second, third)

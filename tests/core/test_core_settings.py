"""The handler's settings, and creating a backend with the handler's options among its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rdzv_core import BackendRegistry, RendezvousParameters
from rdzv_core._create import create_backend
from rdzv_core._handler.settings import HANDLER_OPTIONS, HandlerSettings

Params = Callable[..., RendezvousParameters]


def test_D6_timeouts_have_their_defaults(make_params: Params) -> None:
    """D6: join 600 s, last call 30 s, close 30 s, heartbeat 5 s; keep-alive every 5 s, three misses."""
    settings = HandlerSettings.from_params(make_params())
    times = (settings.join_timeout, settings.last_call_timeout, settings.close_timeout, settings.heartbeat_timeout)
    assert times == (600.0, 30.0, 30.0, 5.0)
    assert (settings.keep_alive_interval, settings.keep_alive_max_attempt, settings.ttl) == (5.0, 3, 15.0)


def test_D6_timeouts_can_be_set(make_params: Params) -> None:
    """D6: each timeout is read from its option, as a number or as text."""
    params = make_params(join_timeout="1.5", last_call_timeout=2, close_timeout="3", heartbeat_timeout=4.0)
    settings = HandlerSettings.from_params(params)
    times = (settings.join_timeout, settings.last_call_timeout, settings.close_timeout, settings.heartbeat_timeout)
    assert times == (1.5, 2.0, 3.0, 4.0)


def test_a_ttl_is_given_as_such_and_the_keep_alives_follow(make_params: Params) -> None:
    """ttl=60: a keep-alive every 20 s; and the work of a node bears a store that is away for 30 s."""
    settings = HandlerSettings.from_params(make_params(ttl=60))
    assert (settings.ttl, settings.keep_alive_interval, settings.heartbeat_timeout) == (60.0, 20.0, 5.0)
    assert HandlerSettings.from_params(make_params(ttl="12", keep_alive_interval=4)).ttl == 12.0
    assert HandlerSettings.from_params(make_params(ttl=10, keep_alive_max_attempt=5)).keep_alive_interval == 2.0


@pytest.mark.parametrize("attempts", [1, 2, 3, 5])
@pytest.mark.parametrize("interval", [0.2, 1.0, 5.0, 30.0])
def test_a_short_ttl_bears_a_keep_alive_without_an_answer(interval: float, attempts: int, make_params: Params) -> None:
    """keep_alive_interval=1 alone left heartbeat_timeout at 5 s: one lost answer had the node fenced."""
    params = make_params(keep_alive_interval=interval, keep_alive_max_attempt=attempts)
    settings = HandlerSettings.from_params(params)
    first_sent = min(settings.keep_alive_interval, settings.ttl / 2)
    assert first_sent + settings.heartbeat_timeout < 0.9 * settings.ttl


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"keep_alive_interval": 1, "heartbeat_timeout": 5}, "heartbeat_timeout=5 .* ttl of 3 s .* below 1.7"),
        ({"ttl": 60, "keep_alive_interval": 5}, "ttl=60 and keep_alive_interval=5 .* makes 15"),
        ({"evict_after": 2}, "evict_after=2 .* fence_delay=5"),
        ({"timeout": 60, "join_timeout": 30}, "timeout=60 and join_timeout=30 are both given"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(config: dict[str, Any], names: str, make_params: Params) -> None:
    """The error names both options and the values that would do."""
    with pytest.raises(ValueError, match=names):
        HandlerSettings.from_params(make_params(**config))


@pytest.mark.parametrize("value", [0, -1, "0", "-0.5", "nan", "soon"])
@pytest.mark.parametrize("name", ["join_timeout", "last_call_timeout", "close_timeout", "heartbeat_timeout"])
def test_D6_a_timeout_that_is_not_positive_is_refused(name: str, value: Any, make_params: Params) -> None:
    """D6: such a timeout is a ValueError that names option and value, when settings are read and on creation."""
    for read in (HandlerSettings.from_params, create_backend):
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            read(make_params(**{name: value}))


def test_E16_the_handlers_options_are_known_to_every_backend(make_params: Params) -> None:
    """E16: a backend is created with the handler's options beside its own; a misspelt one finds its near match."""
    create_backend(make_params(join_timeout=10, node_id="n")).close()
    with pytest.raises(ValueError, match=r"join_timout=10 .* did you mean 'join_timeout'"):
        create_backend(make_params(join_timout=10))


def test_a_registry_of_ones_own_takes_the_place_of_the_environments(make_params: Params) -> None:
    """create_backend looks in the registry that it is given and nowhere else."""
    with pytest.raises(ValueError, match="no backend 'memory' is installed"):
        create_backend(make_params(), BackendRegistry(list))


def test_every_option_of_the_handler_is_documented() -> None:
    """Each has a name of its own and a line of help, from which the documentation is made."""
    assert len({option.name for option in HANDLER_OPTIONS}) == len(HANDLER_OPTIONS)
    assert all(option.help and "\n" not in option.help for option in HANDLER_OPTIONS)

"""The handler's settings, and creating a backend with the handler's options among its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rdzv_core import BackendRegistry, RendezvousParameters
from rdzv_core._create import create_backend
from rdzv_core.handler.settings import HANDLER_OPTIONS, HandlerSettings

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

"""Options: declared once, checked before anything is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rdzv_core import Option, RendezvousParameters, accepts_options
from rdzv_core.options import check_options, options_of

READ_TIMEOUT = Option("read_timeout", int, 60, "seconds to wait", positive=True)
PROTOCOL = Option("protocol", str, "http", "how to speak", choices=("http", "https"))
PASSWORD = Option("password", str, None, "the user's", secret=True)
DELAY = Option("delay", float, None, "seconds", not_negative=True)
TABLE = (READ_TIMEOUT, PROTOCOL, PASSWORD, DELAY)


def test_E16_an_unknown_option_is_refused_with_the_near_match() -> None:
    """E16: `read_timout` is an error that names it, its value, the near match and what is accepted."""
    with pytest.raises(ValueError, match="read_timout='10'") as caught:
        check_options("backend 'x'", TABLE, {"read_timout": "10"})
    for part in ("did you mean 'read_timeout'?", "delay, password, protocol, read_timeout", "backend 'x'"):
        assert part in str(caught.value)


def test_E16_case_is_no_distance() -> None:
    """E16: an option in capitals is unknown, and its near match found."""
    with pytest.raises(ValueError, match="did you mean 'read_timeout'"):
        check_options("backend 'x'", TABLE, {"READ_TIMEOUT": 1})


def test_a_mistyped_password_is_not_shown() -> None:
    """An unknown option that is nearly a secret one is named without its value."""
    with pytest.raises(ValueError, match="did you mean 'password'") as caught:
        check_options("backend 'x'", TABLE, {"pasword": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-10", 0])
def test_B12_a_timeout_that_is_not_positive_is_refused(value: Any) -> None:
    """B12: such a value "must be a positive integer"."""
    with pytest.raises(ValueError, match=f"read_timeout={value!r} must be a positive integer"):
        check_options("backend 'x'", TABLE, {"read_timeout": value})


def test_zero_is_not_negative() -> None:
    """Zero passes where only negative numbers are refused."""
    check_options("x", TABLE, {"delay": 0})
    with pytest.raises(ValueError, match="delay=-1 must be a non-negative number"):
        check_options("x", TABLE, {"delay": -1})


@pytest.mark.parametrize("value", ["inf", "nan", "1e400", "x", "1_0", True])
def test_a_number_must_be_finite(value: Any) -> None:
    """What is not a finite number is refused by name."""
    with pytest.raises(ValueError, match="delay="):
        DELAY.parse(value)


def test_choices_are_taken_in_any_case() -> None:
    """A choice may be written in capitals; an unknown one names those there are."""
    assert PROTOCOL.parse("hTTps") == "https"
    with pytest.raises(ValueError, match="protocol='ftp' is not supported: choose one of http, https"):
        PROTOCOL.parse("ftp")


def test_an_option_not_given_has_its_default_or_must_be_given(
    make_params: Callable[..., RendezvousParameters],
) -> None:
    """`of` gives the default, or says what is missing where there is none; `optional` gives None."""
    params = make_params(read_timeout="10")
    assert (READ_TIMEOUT.of(params), PROTOCOL.of(params), DELAY.optional(params)) == (10, "http", None)
    with pytest.raises(ValueError, match="option delay must be given: seconds"):
        DELAY.of(params)


def test_the_value_of_a_secret_option_is_in_no_error(make_params: Callable[..., RendezvousParameters]) -> None:
    """Neither where it is refused, nor in the chained error, nor in the repr of the parameters, whatever its name."""
    pin = Option("pin", int, None, "what opens the door", secret=True)
    with pytest.raises(ValueError, match=r"option pin is not a value of type int .*not shown") as caught:
        check_options("x", (pin,), {"pin": "hunter2"})
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "hunter2" not in repr(make_params(pin="hunter2"))


def test_an_unknown_option_that_sounds_like_a_secret_is_not_shown() -> None:
    """A token for another backend is a token all the same."""
    with pytest.raises(ValueError, match="unknown option auth_token=…"):
        check_options("x", (READ_TIMEOUT,), {"auth_token": "hunter2"})


def test_a_factory_carries_its_table() -> None:
    """The table is an attribute of the factory: what is not a table does not count; what is not an option raises."""

    @accepts_options(READ_TIMEOUT)
    def factory() -> None: ...

    class Odd:
        @property
        def options(self) -> str:
            return "something else"

    class Wrong:
        options = ("read_timeout",)

    assert options_of(factory) == (READ_TIMEOUT,)
    assert options_of(Odd) == options_of(print) == ()
    with pytest.raises(TypeError, match="'read_timeout', which is no"):
        options_of(Wrong)

"""What a job author says, and what is refused at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from rdzv_core import RendezvousParameters, register_key


def test_D1_an_empty_backend_name_is_refused() -> None:
    """D1: a backend name must be given."""
    for name in ("", "  "):
        with pytest.raises(ValueError, match="backend name"):
            RendezvousParameters(name, "here", "run", 1, 2)


@pytest.mark.parametrize(("lowest", "highest", "said"), [(0, 2, "min_nodes=0"), (-1, 1, "min_nodes=-1")])
def test_D1_fewer_than_one_node_is_refused(lowest: int, highest: int, said: str) -> None:
    """D1: min_nodes below 1 is refused, with its value."""
    with pytest.raises(ValueError, match=said):
        RendezvousParameters("memory", "", "run", lowest, highest)


def test_D1_a_maximum_below_the_minimum_is_refused() -> None:
    """D1: max_nodes below min_nodes is refused, with both values."""
    with pytest.raises(ValueError, match=r"max_nodes=2 .* min_nodes=4"):
        RendezvousParameters("memory", "", "run", 4, 2)


@pytest.mark.parametrize("value", ["2", 2.0, None, True])
def test_D1_a_number_of_nodes_that_is_no_integer_is_refused(value: Any) -> None:
    """D1: text or a fraction is not taken for a number of nodes."""
    with pytest.raises(ValueError, match="max_nodes"):
        RendezvousParameters("memory", "", "run", 1, value)


def test_more_nodes_than_a_round_has_are_refused() -> None:
    """A slip of the finger would else become the run's terms, which every correct node is then refused by."""
    assert RendezvousParameters("memory", "", "run", 1, 100_000).max_nodes == 100_000
    for lowest, highest in ((1, 100_001), (10**20, 10**20)):
        with pytest.raises(ValueError, match=f"max_nodes={highest} is too many: a round has at most 100000 nodes"):
            RendezvousParameters("memory", "", "run", lowest, highest)


@pytest.mark.parametrize("address", ["a,b", "a b", " a", "a\n", "a\tb", "a\0b", "a\u2028b", "\ud800", b"a", 5])
def test_an_address_that_a_list_of_peers_cannot_hold_is_refused(address: Any) -> None:
    """RDZV_PEERS is split by commas: one too many, and every rank after it has another's address."""
    with pytest.raises(ValueError, match=re.escape(f"local_addr={address!r}")):
        RendezvousParameters("memory", "", "run", 1, 2, local_addr=address)


@pytest.mark.parametrize("address", [None, "", "node-1.example", "10.0.0.1", "fe80::1%eth0", "[::1]:80", "knoten-ä"])
def test_any_other_address_is_taken_as_it_is(address: str | None) -> None:
    """What peers make of it is theirs; none, or an empty one, stands for the host name."""
    assert address == RendezvousParameters("memory", "", "run", 1, 2, local_addr=address).local_addr


@pytest.mark.parametrize("run_id", ["", "x" * 1025, "é" * 513, "\ud800", None])
def test_D1_a_run_id_that_no_store_can_keep_is_refused(run_id: Any) -> None:
    """D1: an empty run id is refused, so is one over 1 KiB or with a lone surrogate."""
    with pytest.raises(ValueError, match="run_id"):
        RendezvousParameters("memory", "", run_id, 1, 2)


@pytest.mark.parametrize("run_id", ["x", "x" * 1024, "é" * 512, "a/b", "..", " ", "a\0b", "日本\n"])
def test_any_other_run_id_is_taken_as_it_is(run_id: str) -> None:
    """A run id of up to 1 KiB of UTF-8 is kept unchanged."""
    assert run_id == RendezvousParameters("memory", "", run_id, 1, 2).run_id


@pytest.mark.parametrize("text", ["1", "true", "T", "yes", "Y", "True", True, 1])
def test_D2_truth_in_any_case_is_true(text: Any, make_params: Callable[..., RendezvousParameters]) -> None:
    """D2: 1, true, t, yes and y are true."""
    assert make_params(flag=text).get_as_bool("flag") is True


@pytest.mark.parametrize("text", ["0", "false", "F", "no", "N", "False", False, 0])
def test_D2_falsehood_in_any_case_is_false(text: Any, make_params: Callable[..., RendezvousParameters]) -> None:
    """D2: 0, false, f, no and n are false, and not "not given"."""
    assert make_params(flag=text).get_as_bool("flag", True) is False


@pytest.mark.parametrize("text", ["", "2", "on", "tru", 2])
def test_D2_any_other_truth_value_is_refused_by_name(
    text: Any, make_params: Callable[..., RendezvousParameters]
) -> None:
    """D2: what is not a boolean is an error that names option and value."""
    with pytest.raises(ValueError, match=f"flag={text!r}"):
        make_params(flag=text).get_as_bool("flag")


@pytest.mark.parametrize(("text", "number"), [("10", 10), (" 7 ", 7), ("-3", -3), ("+3", 3), (5, 5)])
def test_D2_integers_are_read_from_text(
    text: Any, number: int, make_params: Callable[..., RendezvousParameters]
) -> None:
    """D2: an integer or its decimal text is read."""
    assert number == make_params(count=text).get_as_int("count")


@pytest.mark.parametrize("text", ["", "ten", "1.5", 1.5, "1_000", "٣", True, "9" * 5000])
def test_D2_any_other_integer_is_refused_by_name(text: Any, make_params: Callable[..., RendezvousParameters]) -> None:
    """D2: what is not an integer is an error that names the option."""
    with pytest.raises(ValueError, match="count="):
        make_params(count=text).get_as_int("count")


def test_D2_an_option_that_is_not_given_has_its_default(make_params: Callable[..., RendezvousParameters]) -> None:
    """D2: not given, and given as None, are the same."""
    params = make_params(nothing=None)
    assert "nothing" not in params.config
    assert (params.get("nothing"), params.get_as_bool("other"), params.get_as_int("other")) == (None, None, None)
    assert (params.get("x", "a"), params.get_as_bool("x", True), params.get_as_int("x", 3)) == ("a", True, 3)


def test_config_may_be_changed_before_use(make_params: Callable[..., RendezvousParameters]) -> None:
    """The options are a plain dict that is the parameters' own."""
    params = make_params(count=1)
    copy = params.for_purpose("other")
    params.config["count"] = "2"
    assert (params.get_as_int("count"), copy.get_as_int("count")) == (2, 1)


def test_copies_differ_in_what_was_asked_for_alone(make_params: Callable[..., RendezvousParameters]) -> None:
    """A sibling's, an observer's and an alias's parameters are copies; the original stays as it is."""
    params = make_params(a=1)
    assert params.for_purpose("p").key == register_key("run", "p") != params.key
    assert params.for_observer().observing
    assert not params.observing
    other = params.with_backend("etcd", backend=2)
    assert other.backend == "etcd"
    assert other.config == {"backend": 2}
    assert params.with_endpoint("there").endpoint == "there" != params.endpoint


def test_a_password_does_not_show(make_params: Callable[..., RendezvousParameters]) -> None:
    """repr shows the options, but not what is secret."""
    text = repr(make_params(password="hunter2", AUTH_TOKEN="hunter3", count=3))
    assert "hunter" not in text
    assert "'count': 3" in text

"""RDZV-PARAM: what an instance is made from."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, raises, shown, that
from rdzv_conformance.harness.network import NetworkEndpoint, closed_port
from rdzv_core import RendezvousConnectionError, RendezvousParameters, SupportsWatch
from rdzv_core.options import Option

UNKNOWN = "no_such_option_of_any_backend"


class Parameters:
    """Bad input is refused in words that help, before anything is created."""

    @clause("RDZV-PARAM-1")
    def test_RDZV_PARAM_1_an_unknown_option_is_a_value_error_that_helps(self, under_test: BackendUnderTest) -> None:
        """The error names the option, its value and those that are accepted."""
        text = _refusal(under_test, f"the unknown option {UNKNOWN}=17", **{UNKNOWN: 17})
        for expected in (UNKNOWN, "17", *(option.name for option in under_test.target.option_table())):
            that(expected in text, f"the error about the option {UNKNOWN}=17 does not name {expected!r}: {text}")

    @clause("RDZV-PARAM-1")
    def test_RDZV_PARAM_1_a_typo_is_answered_with_the_near_match(self, under_test: BackendUnderTest) -> None:
        """An option with a letter missing is refused with the name that was meant."""
        for name in ("join_timeout", *(option.name for option in under_test.target.option_table())):
            typo = name[:-2] + name[-1]
            text = _refusal(under_test, f"the misspelt option {typo}=5", **{typo: "5"})
            that(name in text.partition("accepted")[0], f"the error about {typo}=5 does not propose {name!r}: {text}")

    @clause("RDZV-PARAM-2")
    def test_RDZV_PARAM_2_a_bad_value_is_a_value_error_that_names_it(self, under_test: BackendUnderTest) -> None:
        """A value of the wrong kind, or out of bounds, is refused: the error names the option and the value."""
        tried = 0
        for option in under_test.target.option_table():
            for value in _bad_values(option):
                tried += 1
                what = f"the option {option.name}={value!r}"
                text = _refusal(under_test, what, **{option.name: value})
                for expected in (option.name, *([] if option.secret else [str(value)])):
                    that(expected in text, f"the error about {what} does not name {expected!r}: {text}")
        if not tried:
            raise Unsupported("the backend has no option that could have a bad value")

    @clause("RDZV-PARAM-2")
    def test_RDZV_PARAM_2_an_option_may_be_given_as_text(self, under_test: BackendUnderTest) -> None:
        """Each number and boolean, as a command line gives it, all at once: the instance and a sibling work."""
        values = {o.name: under_test.target.options.get(o.name, o.default) for o in under_test.target.option_table()}
        values.update(under_test.target.impatient())
        texts = {name: str(value) for name, value in values.items() if isinstance(value, (bool, int, float))}
        if not texts:
            raise Unsupported("the backend has no option that is a number or a boolean")
        register = under_test.open(**under_test.target.as_client(), **texts)
        for each in (register, register.sibling("text")):
            try:
                token = each.write(b"there")
                each.holds(b"there", token, f"with the options {texts}")
                if isinstance(each.backend, SupportsWatch):
                    each.wait_state(token, 0.01)
            except (TypeError, ValueError, AttributeError) as error:
                raise ClauseFailed(f"with the options {texts}, given as text, a call raised {error!r}") from error

    @clause("RDZV-PARAM-3")
    def test_RDZV_PARAM_3_a_bad_run_id_is_a_value_error(self, under_test: BackendUnderTest) -> None:
        """An empty run id, one over 1 KiB, and one with a lone surrogate make no instance."""
        for run_id in ("", "x" * 1025, "ä" * 513, "\ud800", "a\udfffb"):
            raises(ValueError, f"the run_id {shown(run_id, 40)}", under_test.open, run_id)
            # Parameters can be changed after they were made: the backend must not take them at their word.
            params: RendezvousParameters = under_test.parameters()
            params.run_id = run_id
            raises(ValueError, f"the run_id {shown(run_id, 40)}", _use, under_test, params)

    @clause("RDZV-PARAM-4")
    def test_RDZV_PARAM_4_a_malformed_endpoint_is_an_error_that_names_it(self, under_test: BackendUnderTest) -> None:
        """An endpoint that cannot be read is refused, and the error shows it."""
        network = NetworkEndpoint.parse(under_test.target.endpoint) is not None
        accepted = 0
        endpoints = ("[::1", "127.0.0.1:99999", "127.0.0.1:port", "bad\0endpoint") if network else ("bad\0endpoint",)
        for endpoint in endpoints:
            params = under_test.parameters(
                None, endpoint, **under_test.target.as_client(), **under_test.target.impatient()
            )
            try:
                _use(under_test, params)
            except (ValueError, RendezvousConnectionError) as error:
                named = any(form in str(error) for form in (endpoint, repr(endpoint), repr(endpoint)[1:-1]))
                that(named, f"the error about the endpoint {endpoint!r} does not name it: {error}")
            else:
                accepted += 1
                that(not network, f"the endpoint {endpoint!r} was accepted")
        if accepted:
            raise Unsupported("any text is an endpoint of this backend")


def _refusal(under_test: BackendUnderTest, what: str, **options: Any) -> str:
    """Return the text of the ValueError, on the store and where none is: it must come before anything is created."""
    error = raises(ValueError, what, lambda: under_test.open(**options))
    network = under_test.target.network_endpoint()
    if network is not None:
        nowhere = network.at(closed_port())
        try:
            under_test.open(None, nowhere, **{**under_test.target.as_client(), **options})
        except ValueError:
            pass
        except RendezvousConnectionError as late:
            raise ClauseFailed(f"{what} was noticed only after the store was asked for: {late}") from late
        else:
            raise ClauseFailed(f"{what} was accepted")
    return str(error)


def _bad_values(option: Option[Any]) -> list[object]:
    if option.choices:
        return ["no such choice"]
    values: dict[type, list[object]] = {
        bool: ["perhaps", "2"],
        int: ["ten", "1.5", "1e3"],
        float: ["ten", "nan", "inf"],
    }
    bad = values.get(option.type, [])
    if "timeout" in option.name:
        return [*(bad or ["ten"]), "0", "-10"]  # nobody can wait for no time at all
    if option.positive:
        return [*bad, "0", "-10"]
    return [*bad, "-10"] if option.not_negative else bad


def _use(under_test: BackendUnderTest, params: RendezvousParameters) -> None:
    limit = under_test.target.impatience()
    under_test.open_with(params, limit).get_state(limit)

"""RDZV-SECURE-1, 3 and 4: what is nearly a secret, where a secret is shown, and the name in a certificate."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, Untested, shown_error, that
from rdzv_conformance.harness.network import NetworkEndpoint, closed_port
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.together import together
from rdzv_conformance.harness.waits import Waits
from rdzv_conformance.suite.disclosure import Disclosure
from rdzv_conformance.suite.files_written import files_written
from rdzv_conformance.suite.near_secrets import hard_to_send, nearly
from rdzv_conformance.suite.secure import secure_parameters, secured
from rdzv_conformance.suite.state import LARGEST_TRIED
from rdzv_core import RendezvousConnectionError

Call = Callable[[], object]
ANOTHER_ADDRESS = "127.0.0.2"
UNKNOWN = "no_such_option_of_any_backend"


class Secrets:
    """Nothing but the whole secret will do, nobody reads it, and nobody answers in the store's place."""

    @clause("RDZV-SECURE-1")
    def test_RDZV_SECURE_1_what_is_nearly_a_secret_is_refused(self, under_test: BackendUnderTest) -> None:
        """Its beginning, with something before or behind it, in another case: it is refused, with the words."""
        secured(under_test)
        asked_for = [*_secrets_that_are_asked_for(under_test)]
        anonymous = [words for _, words in under_test.helpers.wrong_credentials or ()]

        def check(tried: tuple[str, str, str, str, bool]) -> None:
            name, words, what, near, write = tried
            try:
                _use(under_test, {name: near}, write)
            except RendezvousConnectionError as error:
                said = words in str(error) or (not near and any(each in str(error) for each in anonymous))
                that(said, f"the error with {what} for {name} does not say {words!r}: {error}")
            except ValueError:
                pass  # refused before it was sent
            else:
                raise ClauseFailed(f"the store accepts {what} for {name}: it must compare the whole secret")

        for name, right, words in asked_for:
            near = enumerate(nearly(right).items())
            tries = [(name, words, what, value, number % 2 == 0) for number, (what, value) in near]
            together(tries, check, under_test.target.pace)
        if not asked_for:
            raise Unsupported("no secret option is among those that wrong_credentials changes")

    @early
    @clause("RDZV-SECURE-3")
    def test_RDZV_SECURE_3_no_secret_is_shown_at_any_time(self, under_test: BackendUnderTest) -> None:
        """In no repr, error, log record or warning: in use, when refused, when the connection is lost, when closed."""
        shown = Disclosure()
        with files_written() as shown.written:
            _shown_at_any_time(under_test, shown)

    @clause("RDZV-SECURE-4")
    def test_RDZV_SECURE_4_a_certificate_for_another_name_is_refused(self, under_test: BackendUnderTest) -> None:
        """The right store, under an address that is not in its certificate: that may be anybody of the authority."""
        register, token = secured(under_test)
        option = under_test.helpers.server_name
        try:
            if option is not None:
                _use(under_test, {option: "another.invalid"}, write=True)
            else:
                with _under_another_address(under_test) as endpoint:
                    _use(under_test, {}, write=True, endpoint=endpoint)
        except RendezvousConnectionError:
            register.holds(b"guarded", token, "after a store under another name was refused")
            return
        raise ClauseFailed(
            "a store was accepted whose certificate is not for the name that was asked for: whoever has a certificate "
            "of the same authority can answer in its place"
        )


def _shown_at_any_time(under_test: BackendUnderTest, shown: Disclosure) -> None:
    right = {**under_test.target.options, **(under_test.helpers.secure_options or {})}
    register, _ = secured(under_test)
    names = [option.name for option in under_test.target.option_table() if option.secret]
    secrets = {str(right[name]) for name in names if right.get(name)}
    if not secrets:
        raise Unsupported("the backend is given no option that is a secret")
    moments: tuple[tuple[str, Call], ...] = (
        ("in use", lambda: _in_use(under_test, register, shown)),
        ("when refused", lambda: _refused(under_test, names, shown, secrets)),
        ("when options are wrong", lambda: _wrong_options(under_test, shown)),
        ("when the connection is lost", lambda: _lost(under_test, shown)),
        ("when closed", lambda: _closed(under_test, register, shown)),
    )
    with _a_silent_store(under_test, shown) as await_silence:
        for when, act in (*moments, ("on a silent store", await_silence)):
            with shown.listening(when):
                act()
                shown.look_around(when)
            shown.check(secrets)


def _secrets_that_are_asked_for(under_test: BackendUnderTest) -> Iterator[tuple[str, str, str]]:
    """Return the secret options that the store asks for, each with the right value and the words of a refusal."""
    right = {**under_test.target.options, **(under_test.helpers.secure_options or {})}
    for option in under_test.target.option_table():
        if not option.secret or not right.get(option.name):
            continue
        for options, words in under_test.helpers.wrong_credentials or ():
            if {*options} == {option.name} and options[option.name] is not None:
                yield option.name, str(right[option.name]), words
                break


def _use(under_test: BackendUnderTest, options: Mapping[str, Any], write: bool, endpoint: str | None = None) -> object:
    there = {**under_test.target.as_client(), **under_test.target.impatient(), **options}
    register = under_test.open_with(secure_parameters(under_test, there, endpoint))
    try:
        found = None if write else register.get_state()
        return register.set_state(b"intruder", None) if write else found
    finally:
        register.close()


@contextmanager
def _a_silent_store(under_test: BackendUnderTest, shown: Disclosure) -> Iterator[Call]:
    """Let the store of one instance fall silent, and begin its calls; the value awaits the end of all of them."""
    network = NetworkEndpoint.parse(_endpoint(under_test))
    if network is None or under_test.helpers.network is False:
        yield lambda: None
        return
    there = {**under_test.target.as_client(), **under_test.target.impatient()}
    limit = 2 * under_test.target.impatience() + under_test.target.patience
    trying: dict[str, Running[object]] = {}

    def await_all() -> None:
        for what, each in trying.items():
            each.result(limit, f"{what} has not returned")

    with Proxy(network.host, network.port) as proxy:

        def make() -> Register:
            return under_test.open_with(secure_parameters(under_test, there, network.at(proxy.port)))

        made = shown.tried("creation behind another proxy", make)
        if isinstance(made, Register):
            shown.tried("get_state() behind another proxy", made.get_state)
            calls = {**Waits(under_test, made).quick(), "the first use": lambda: make().get_state()}
            proxy.pause()
            for what, call in calls.items():
                trying[what] = Running(shown.tried, f"{what} on a silent store", call)
        yield await_all
    await_all()


def _in_use(under_test: BackendUnderTest, register: Register, shown: Disclosure) -> None:
    backend = register.backend
    sibling = register.sibling("shown")
    if backend.max_state_bytes <= LARGEST_TRIED:
        too_large = bytes(backend.max_state_bytes + 1)
        shown.tried("set_state(…) of too large a state", lambda: register.set_state(too_large))
    for what, each in (("instance", backend), ("sibling", sibling.backend)):
        shown.add(f"repr of the {what}", f"{each!r} {each}")
        for method in ("health", "endpoint_hint", "local_address", "hosted_members"):
            shown.tried(f"{method}() of the {what}", getattr(each, method))
    shown.tried("get_state() of the sibling", sibling.get_state)
    waits = Waits(under_test, register)
    for what, call in {**waits.quick(), **waits.entering()}.items():
        shown.tried(what, call)
    store = getattr(backend, "store", None)
    if callable(store):
        its_own = store("shown")
        shown.add("repr of a store", repr(its_own))
        shown.tried("get of a store, in vain", lambda: its_own.get("none", 0))
    sibling.close()


def _refused(under_test: BackendUnderTest, names: list[str], shown: Disclosure, secrets: set[str]) -> None:
    """Try other credentials; what of them is a secret is one of the `secrets` from now on."""
    helpers = under_test.helpers
    for options, _ in (*(helpers.wrong_credentials or ()), *(helpers.wrong_transport or ())):
        shown.tried(f"use with other {', '.join(options)}", lambda given=options: _use(under_test, given, True))  # type: ignore[misc]
        secrets |= {str(options[name]) for name in names if options.get(name)}
    for name, right, _ in _secrets_that_are_asked_for(under_test):
        for what, near in hard_to_send(right).items():
            shown.tried(f"use with {what} for {name}", lambda given={name: near}: _use(under_test, given, True))  # type: ignore[misc]


def _wrong_options(under_test: BackendUnderTest, shown: Disclosure) -> None:
    for what, options in (("an unknown option", {UNKNOWN: "1"}), *_bad_values(under_test)):
        shown.tried(f"creation with {what}", lambda given=options: _use(under_test, given, False))  # type: ignore[misc]
    shown.tried("creation at a bad endpoint", lambda: _use(under_test, {}, False, "127.0.0.1:70000"))


def _bad_values(under_test: BackendUnderTest) -> Iterator[tuple[str, dict[str, Any]]]:
    for option in under_test.target.option_table():
        if option.type in (int, float, bool):
            yield f"a bad {option.name}", {option.name: "perhaps"}


def _lost(under_test: BackendUnderTest, shown: Disclosure) -> None:
    """Let a connection be reset, refused, and cut within an answer."""
    network = NetworkEndpoint.parse(_endpoint(under_test))
    if network is None:
        return
    shown.tried("creation and use where nobody listens", lambda: _use(under_test, {}, False, network.at(closed_port())))
    with Proxy(network.host, network.port) as proxy:
        there = {**under_test.target.as_client(), **under_test.target.impatient()}
        made = shown.tried(
            "creation behind a proxy",
            lambda: under_test.open_with(secure_parameters(under_test, there, network.at(proxy.port))),
        )
        if not isinstance(made, Register):
            return
        calls = Waits(under_test, made).quick()
        losses: tuple[Callable[[], None], ...] = (lambda: proxy.cut_within_answer(20), proxy.cut)
        for lose in losses:
            shown.tried("get_state()", made.get_state)
            lose()
            # Each of them tries to connect again for as long as it may: side by side.
            trying = {
                f"{what} when the connection is lost": Running(shown.tried, f"{what} when the connection is lost", call)
                for what, call in calls.items()
            }
            for what, each in trying.items():
                each.result(under_test.target.impatience() + under_test.target.patience, f"{what} has not returned")
            shown.add("repr of the instance", repr(made.backend))
            proxy.cut()
            proxy.restore()
        made.close()


def _closed(under_test: BackendUnderTest, register: Register, shown: Disclosure) -> None:
    waits = Waits(under_test, register)
    calls = {**waits.quick(), **waits.entering(), **{what: _with(call) for what, call in waits.kinds().items()}}
    register.close()
    for what, call in calls.items():
        shown.tried(f"{what} after close()", call)
    shown.add("repr of the closed instance", f"{register.backend!r} {register.backend}")
    shown.tried("sibling(…) after close()", lambda: register.sibling("closed"))


def _with(call: Callable[[float], object]) -> Callable[[], object]:
    return lambda: call(0.0)


def _endpoint(under_test: BackendUnderTest) -> str:
    return under_test.helpers.secure_endpoint or under_test.target.endpoint


@contextmanager
def _under_another_address(under_test: BackendUnderTest) -> Iterator[str]:
    """An endpoint of the same store whose host is not in its certificate."""
    network = NetworkEndpoint.parse(_endpoint(under_test))
    if network is None or under_test.helpers.network is False:
        raise Untested("needs an endpoint that is a host:port, or the helper server_name")
    if network.host == ANOTHER_ADDRESS:
        raise Untested(f"needs an endpoint at another address than {ANOTHER_ADDRESS}")
    try:
        proxy = Proxy(network.host, network.port, listen=ANOTHER_ADDRESS).__enter__()
    except OSError as error:
        raise Untested(f"this machine cannot listen at {ANOTHER_ADDRESS}: {shown_error(error)}") from error
    try:
        yield network.at(proxy.port, ANOTHER_ADDRESS)
    finally:
        proxy.__exit__(None, None, None)

"""RDZV-SECURE: who may speak to the store, and who hears it."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, equal, raises, that
from rdzv_conformance.harness.network import NetworkEndpoint
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.suite.disclosure import forms_of
from rdzv_conformance.suite.outages import await_return
from rdzv_core import (
    RendezvousConnectionError,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
    Token,
)

Wrong = Sequence[tuple[Mapping[str, Any], str]]
Call = Callable[[], object]
TTL = 60.0
SOON = 5.0
TELLING = 8
"""Characters of a secret that are no accident where they pass among encrypted ones."""
MARKER_BYTES = 24
LARGE = 200 * 1024


class Secure:
    """An unknown peer is refused with an error that says so, and changes nothing."""

    @clause("RDZV-SECURE-1")
    def test_RDZV_SECURE_1_a_peer_without_the_credentials_is_refused(self, under_test: BackendUnderTest) -> None:
        """Reading and writing without the right credentials raises, and says that it is for them."""
        _all_refused(under_test, under_test.helpers.wrong_credentials, "wrong_credentials")

    @clause("RDZV-SECURE-1")
    def test_RDZV_SECURE_1_no_call_is_for_a_peer_without_the_credentials(self, under_test: BackendUnderTest) -> None:
        """A sibling, members and stores refuse every call, submitted or not, and nothing is changed."""
        register, token = secured(under_test)
        wrong = under_test.helpers.wrong_credentials
        if not wrong:
            raise Untested(
                "needs the helper wrong_credentials: options that must be refused, each with words of the error"
            )
        names = _what_there_is(under_test, register)
        before = names and names()
        for options, words in wrong:
            there = {**under_test.target.as_client(), **under_test.target.impatient(), **options}
            try:
                intruder = under_test.open_with(secure_parameters(under_test, there))
            except RendezvousConnectionError:
                continue  # refused when it was made: it has no call that could be refused
            for what, call in _every_call(under_test, intruder).items():
                asked = f"{what} with {_named(options)}"
                error = raises(RendezvousConnectionError, asked, call)
                that(words in str(error), f"the error of {asked} does not say {words!r}: {error}")
            intruder.close()
        register.holds(b"guarded", token, "after others were refused")
        if names:
            equal("what members and stores hold after others were refused", names(), before)

    @clause("RDZV-SECURE-2")
    def test_RDZV_SECURE_2_nobody_on_the_way_can_read_along(self, under_test: BackendUnderTest) -> None:
        """Between a client and its store neither a state, a payload or a value passes in clear, nor a secret."""
        _, token = secured(under_test)
        network = NetworkEndpoint.parse(under_test.helpers.secure_endpoint or under_test.target.endpoint)
        if network is None or under_test.helpers.network is False:
            raise Untested("needs an endpoint that is a host:port, before which the suite puts a proxy")
        with Proxy(network.host, network.port) as proxy:
            proxy.record()
            there = {**under_test.target.as_client(), **under_test.target.impatient()}
            client = under_test.open_with(secure_parameters(under_test, there, network.at(proxy.port)))
            contents, token = _say_much(under_test, client, token)
            proxy.cut()
            proxy.restore()
            contents["a state after the connection was lost"] = _say_again(under_test, client, token)
            client.close()
            passed = [each for each in proxy.recorded if each]
        that(passed, "a client wrote and read, and nothing passed between it and the endpoint that it was given")
        right = {**under_test.target.options, **(under_test.helpers.secure_options or {})}
        for option in under_test.target.option_table():
            if option.secret and len(str(right.get(option.name) or "")) >= TELLING:
                contents[f"the value of {option.name}"] = str(right[option.name])
        for what, content in contents.items():
            for form, shown_so in forms_of(content).items():
                that(
                    not any(shown_so.encode("utf-8", "surrogatepass") in each for each in passed),
                    f"{what} passes between client and store in clear{form}: whoever is on the way can read along, and "
                    "the backend says that it is secure",
                )

    @clause("RDZV-SECURE-2")
    def test_RDZV_SECURE_2_plain_text_and_another_authority_are_refused(self, under_test: BackendUnderTest) -> None:
        """Plain text where the store wants TLS, and a store whose authority is not ours, are errors that say so."""
        _all_refused(under_test, under_test.helpers.wrong_transport, "wrong_transport")

    @clause("RDZV-SECURE-3")
    def test_RDZV_SECURE_3_no_secret_is_shown(self, under_test: BackendUnderTest) -> None:
        """Neither a repr nor an error holds the value of a secret option."""
        register, _ = secured(under_test)
        right = {**under_test.target.options, **(under_test.helpers.secure_options or {})}
        names = [option.name for option in under_test.target.option_table() if option.secret]
        if not any(right.get(name) for name in names):
            raise Unsupported("the backend is given no option that is a secret")
        shown = {"repr of the instance": repr(register.backend)}
        secrets = {str(right[name]) for name in names if right.get(name)}
        for options, _ in under_test.helpers.wrong_credentials or ():
            error = raises(RendezvousConnectionError, f"the credentials {_named(options)}", _use(under_test, options))
            shown[f"error with the credentials {_named(options)}"] = _chain(error)
            secrets |= {str(options[name]) for name in names if options.get(name)}
        for what, text in shown.items():
            that(not any(secret in text for secret in secrets), f"the {what} holds a secret")


def _all_refused(under_test: BackendUnderTest, wrong: Wrong | None, helper: str) -> None:
    register, token = secured(under_test)
    if not wrong:
        raise Untested(f"needs the helper {helper}: options that must be refused, each with words of the error")
    for options, words in wrong:
        for write in (False, True):
            what = f"{'writing' if write else 'reading'} with {_named(options)}"
            error = raises(RendezvousConnectionError, what, _use(under_test, options, write))
            that(words in str(error), f"the error of {what} does not say {words!r}: {error}")
    register.holds(b"guarded", token, "after others were refused")


def secured(under_test: BackendUnderTest) -> tuple[Register, Token]:
    """An instance with the right credentials, and the token of what it holds."""
    register = under_test.open_with(secure_parameters(under_test, {}))
    if not register.backend.secure:
        raise Unsupported("the backend does not claim it (secure = False)")
    return register, register.write(b"guarded")


def secure_parameters(under_test: BackendUnderTest, options: Mapping[str, Any], endpoint: str | None = None) -> Any:
    """Return the parameters that reach the secure store, or whatever is at another endpoint, but for `options`."""
    right = under_test.helpers.secure_options or {}
    there = under_test.helpers.secure_endpoint if endpoint is None else endpoint
    return under_test.parameters(None, there, **{**right, **options})


def _every_call(under_test: BackendUnderTest, intruder: Register) -> dict[str, Call]:
    """Return all calls of an instance, none of which may have been made already: they are refused, each by itself."""
    backend, sibling = intruder.backend, intruder.sibling("guarded")
    calls: dict[str, Call] = {
        "get_state() of a sibling": sibling.get_state,
        "set_state(…) of a sibling": lambda: sibling.set_state(b"intruder"),
    }
    if isinstance(backend, SupportsDelete):
        calls["delete_state()"] = intruder.delete_state
    if isinstance(backend, SupportsListing):
        calls["list_keys()"] = lambda: intruder.call("list_keys()", backend.list_keys)
    if isinstance(backend, SupportsWatch):
        calls["wait_state(None, 0)"] = lambda: intruder.wait_state(None, 0)
    if isinstance(backend, SupportsMembership):
        members = under_test.needs(SupportsMembership, intruder)
        calls |= {
            "enter(…)": lambda: members.enter(b"intruder", TTL),
            "members()": members.members,
            "count()": members.count,
            "first(1)": lambda: members.first(1),
            "wait_members(None, 0)": lambda: members.wait_members(None, 0),
        }
    if isinstance(backend, SupportsStore):
        calls |= _of_a_store(under_test.needs(SupportsStore, intruder).store("guarded"))
    if isinstance(backend, SupportsSubmit):
        submitter = Submitter(under_test, backend)
        among = {"get_state": (), "set_state": (b"intruder", None), "delete_state": (None,), "wait_state": (None, 0)}
        for method, arguments in among.items():
            if method in submitter.submittable:
                calls[f"the submitted {method}"] = lambda given=(method, *arguments): submitter(*given)  # type: ignore[misc]
    return calls


def _of_a_store(store: Store) -> dict[str, Call]:
    return {
        "set of a store": lambda: store.set("key", b"intruder"),
        "get of a store": lambda: store.get("key", 0),
        "add of a store": lambda: store.add("number", 1),
        "compare_set of a store": lambda: store.compare_set("compared", None, b"intruder"),
        "check of a store": lambda: store.check(["key"]),
        "wait of a store": lambda: store.wait(["key"], 0),
        "multi_set of a store": lambda: store.multi_set({"key": b"intruder"}),
        "multi_get of a store": lambda: store.multi_get(["key"], 0),
        "num_keys of a store": store.num_keys,
        "delete_key of a store": lambda: store.delete_key("key"),
    }


def _what_there_is(under_test: BackendUnderTest, register: Register) -> Callable[[], object] | None:
    """Return how to look at what an intruder may have changed; it enters a member and sets a key first."""
    looks: list[Call] = []
    if isinstance(register.backend, SupportsMembership):
        members = under_test.needs(SupportsMembership, register)
        members.enter(b"guarded", TTL)
        looks.append(lambda: [each.payload for each in members.members().members])
    if isinstance(register.backend, SupportsStore):
        store = under_test.needs(SupportsStore, register).store("guarded")
        store.set("key", b"guarded")
        looks.append(lambda: (store.num_keys(), store.multi_get(["key"], under_test.paced(SOON))))
    return (lambda: [look() for look in looks]) if looks else None


def _say_much(under_test: BackendUnderTest, client: Register, token: Token) -> tuple[dict[str, str], Token]:
    """Let a client write and read what nobody else is to know; return it, by words for it, and the last token."""
    kinds = ("a state", "a sibling's state", "a large state")
    contents = {kind: secrets.token_urlsafe(MARKER_BYTES) for kind in kinds}
    large = contents["a large state"].encode() * (LARGE // len(contents["a large state"]))
    token = client.write(large, token)
    client.holds(large, token, "that was written through a proxy")
    token = client.write(contents["a state"].encode(), token)
    client.holds(contents["a state"].encode(), token, "that was written through a proxy")
    sibling, told = client.sibling("overheard"), contents["a sibling's state"].encode()
    sibling.holds(told, sibling.write(told), "that a sibling wrote through a proxy")
    if isinstance(client.backend, SupportsMembership):
        contents["a member's payload"] = secrets.token_urlsafe(MARKER_BYTES)
        members = under_test.needs(SupportsMembership, client)
        members.enter(contents["a member's payload"].encode(), TTL)
        members.members()
    if isinstance(client.backend, SupportsStore):
        contents["a value of a store"] = secrets.token_urlsafe(MARKER_BYTES)
        store = under_test.needs(SupportsStore, client).store("overheard")
        store.set("key", contents["a value of a store"].encode())
        store.get("key", under_test.paced(SOON))
    return contents, token


def _say_again(under_test: BackendUnderTest, client: Register, token: Token) -> str:
    """Let a client write what nobody else is to know once its connection was lost, as soon as it has one; return it."""
    content = secrets.token_urlsafe(MARKER_BYTES)
    await_return(under_test, client)  # by this a connection is made
    token = client.write(content.encode(), token)
    client.holds(content.encode(), token, "that was written after the connection was lost")
    return content


def _use(under_test: BackendUnderTest, options: Mapping[str, Any], write: bool = False) -> Callable[[], object]:
    def use() -> object:
        there = {**under_test.target.as_client(), **under_test.target.impatient(), **options}
        register = under_test.open_with(secure_parameters(under_test, there))
        found = register.get_state() if not write else None
        return register.set_state(b"intruder", None) if write else found

    return use


def _named(options: Mapping[str, Any]) -> str:
    """Return the names of the options, not their values: they may be secrets."""
    return ", ".join(f"{name} {'taken away' if value is None else 'changed'}" for name, value in options.items())


def _chain(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(repr(error))
        error = error.__cause__ or error.__context__
    return " ".join(texts)

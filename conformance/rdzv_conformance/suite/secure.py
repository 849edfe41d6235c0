"""RDZV-SECURE: who may speak to the store."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, raises, that
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousConnectionError, Token

Wrong = Sequence[tuple[Mapping[str, Any], str]]


class Secure:
    """An unknown peer is refused with an error that says so, and changes nothing."""

    @clause("RDZV-SECURE-1")
    def test_RDZV_SECURE_1_a_peer_without_the_credentials_is_refused(self, under_test: BackendUnderTest) -> None:
        """Reading and writing without the right credentials raises, and says that it is for them."""
        _all_refused(under_test, under_test.helpers.wrong_credentials, "wrong_credentials")

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

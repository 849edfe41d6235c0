"""What a backend's author lends to the suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from rdzv_conformance.harness.sandbox import Sandbox
from rdzv_core import RendezvousParameters


class StartedStore(Protocol):
    """A store that a backend started for the suite; it may have any attribute of `Helpers` as well."""

    @property
    def endpoint(self) -> str:
        """Where it is, as the backend reads it."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that reach it."""

    @property
    def what(self) -> str:
        """A few words about it for the report."""


@dataclass(frozen=True)
class Helpers:
    """What a backend's author may lend to the suite; whatever is None leaves the clauses that need it `untested`.

    `corrupt(params)` corrupts the register of `params` behind the backend's back; `truncated(params)` is a context
    manager that cuts what holds it, a file or a value, to 0 bytes, and puts it back. `pause()` stops the store from
    answering until `resume()`; `restart()` kills it (SIGKILL) and starts it again, with its data where it keeps any,
    and returns when it answers; `restart_without_data()` does so after everything it kept was removed.
    `lose_members(params)` makes the store forget the members of a run. An `unreachable_endpoint` is one where there is
    no store. `network` says whether there is a connection that can be lost; None: there is one if the endpoint is a
    `host:port`.

    For the profile `secure`: `secure_endpoint` and `secure_options` reach a store that asks for credentials over an
    encrypted connection (without them the endpoint itself is tried). `wrong_credentials` and `wrong_transport` are
    pairs of options that go over those, None taking one away, and of words that the error must hold: the first without
    the right credentials, the second in plain text, or trusting another authority.

    The suite tries by itself what is nearly the value of a secret option that `wrong_credentials` has, and a connection
    to an address that is not in the certificate. Choose a secret of more than 72 characters where the store takes one:
    there are stores that do not look at what comes behind those. Where an option says which name the certificate must
    have, whatever the endpoint, `server_name` is the name of that option.

    `expires` is False for a store that cannot let a key expire: it is spared a minute in which a state has to stay.

    `keys(params)` lists every key that the store at the endpoint of `params` holds, by any name that holds a register's
    own key.

    `own_store(sandbox)` starts a store for the suite alone and ends it: a context manager whose value is a
    `StartedStore` and may have any of the helpers above. It is used where no endpoint is given. Raises `OSError` or a
    `RendezvousError`. `own_cluster(sandbox)` does the same with a store of several servers, for `rdzv certify
    --cluster`; its `before_test()` is called before each test, and may strike one of them after the other.
    """

    corrupt: Callable[[RendezvousParameters], None] | None = None
    truncated: Callable[[RendezvousParameters], AbstractContextManager[None]] | None = None
    unreachable_endpoint: str | None = None
    pause: Callable[[], None] | None = None
    resume: Callable[[], None] | None = None
    restart: Callable[[], None] | None = None
    network: bool | None = None
    restart_without_data: Callable[[], None] | None = None
    lose_members: Callable[[RendezvousParameters], None] | None = None
    secure_endpoint: str | None = None
    secure_options: Mapping[str, Any] | None = None
    wrong_credentials: Sequence[tuple[Mapping[str, Any], str]] | None = None
    wrong_transport: Sequence[tuple[Mapping[str, Any], str]] | None = None
    server_name: str | None = None
    expires: bool | None = None
    keys: Callable[[RendezvousParameters], Iterable[str]] | None = None
    own_store: Callable[[Sandbox], AbstractContextManager[StartedStore]] | None = None
    before_test: Callable[[], None] | None = None
    own_cluster: Callable[[Sandbox], AbstractContextManager[StartedStore]] | None = None

    def and_those_of(self, lender: object) -> Helpers:
        """Return these helpers, overridden by those that an object with attributes of the same names lends."""
        lent = {each.name: getattr(lender, each.name, None) for each in fields(self)}
        return replace(self, **{name: value for name, value in lent.items() if value is not None})

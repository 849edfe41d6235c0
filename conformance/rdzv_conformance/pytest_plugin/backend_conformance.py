"""The suite as a pytest class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

import pytest

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.installed_helpers import installed_helpers
from rdzv_conformance.harness.target import Target
from rdzv_conformance.pytest_plugin.keys import BACKEND
from rdzv_conformance.run.anchor import AnchorHolder
from rdzv_conformance.suite import Suite
from rdzv_core import RendezvousParameters


class BackendConformance(Suite):
    """Every clause of the contract, for a backend of your own::

        @pytest.fixture(scope="module")
        def endpoint():
            with a_redis_server() as server:
                yield f"localhost:{server.port}"

        class TestRedis(BackendConformance):
            backend = "redis"

    `backend`, `endpoint`, `options` and the helpers below may each be a class attribute or a fixture of that name, on
    the class or anywhere pytest finds one; a fixture goes first. A helper that is absent leaves the clauses that need
    it `untested`; see `rdzv_conformance.Helpers` for what each does. `preload` names modules (or
    `module:function`) to import in the processes that the suite starts, for a backend that is registered in code.
    """

    backend: str
    endpoint: Any
    options: Any = None
    preload: tuple[str, ...] = ()
    patience: float = 20.0

    corrupt: Callable[[RendezvousParameters], None] | None = None
    truncated: Callable[[RendezvousParameters], AbstractContextManager[None]] | None = None
    unreachable_endpoint: Any = None
    pause: Callable[[], None] | None = None
    resume: Callable[[], None] | None = None
    restart: Callable[[], None] | None = None
    network: bool | None = None
    restart_without_data: Callable[[], None] | None = None
    lose_members: Callable[[RendezvousParameters], None] | None = None
    secure_endpoint: Any = None
    secure_options: Any = None
    wrong_credentials: Any = None
    wrong_transport: Any = None
    keys: Callable[[RendezvousParameters], Iterable[str]] | None = None
    own_store: Any = None

    @pytest.fixture
    def under_test(self, request: pytest.FixtureRequest, _rdzv_anchor: AnchorHolder) -> Iterator[BackendUnderTest]:
        """The backend under test, on a run of its own."""
        backend = _given(self, request, "backend")
        if not isinstance(backend, str):
            pytest.fail(
                f"{type(self).__name__} must say which backend it tests, as in: backend = 'redis'", pytrace=False
            )
        request.node.stash[BACKEND] = backend
        lent = installed_helpers(backend)
        given = {field.name: _given(self, request, field.name) for field in fields(Helpers)}
        helpers = Helpers(**{name: getattr(lent, name) if value is None else value for name, value in given.items()})
        options: Mapping[str, Any] = _given(self, request, "options") or {}
        endpoint = _given(self, request, "endpoint")
        target = Target(
            backend, str("" if endpoint is None else endpoint), options, helpers, self.preload, self.patience
        )
        under_test = BackendUnderTest(_rdzv_anchor.hold(target))
        yield under_test
        under_test.clean_up()


def _given(test: BackendConformance, request: pytest.FixtureRequest, name: str) -> Any:
    """Return the fixture `name`, or the attribute if there is no such fixture."""
    try:
        return request.getfixturevalue(name)
    except pytest.FixtureLookupError as error:
        if error.argname != name:
            raise
    return getattr(test, name, None)

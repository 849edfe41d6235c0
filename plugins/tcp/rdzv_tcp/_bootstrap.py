"""Opening a store: which process hosts it, and connecting to that one."""

from __future__ import annotations

import logging
import socket

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.session import Session
from rdzv_tcp._net.security import Credentials
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._server.hosting import Hosting, host, hosted_here
from rdzv_tcp._wal.log import UnusableDirectoryError

_log = logging.getLogger("rdzv_tcp")


def open_store(
    endpoint: HostPort,
    is_host: bool | None,
    read_timeout: float,
    connect_timeout: float,
    credentials: Credentials,
    settings: Settings,
) -> tuple[Session, Hosting | None]:
    """Return a connected session, and the hold on the server if this process hosts it.

    `is_host` None: the process that can bind the endpoint hosts it. Connecting and binding take turns, so
    that one of several processes that start at once hosts and the others find it, in whatever order they come, and also
    when a host ends at just that moment. Raises `RendezvousConnectionError`.
    """
    hosting: Hosting | None = None
    if is_host or (is_host is None and endpoint.port == 0):
        hosting = _host(endpoint, settings)
        endpoint = hosting.server.endpoint
    election = _Election(endpoint, settings) if is_host is None and hosting is None else None
    session = Session(endpoint, read_timeout, credentials)
    try:
        session.connect(connect_timeout, election.try_to_host if election else str)
    except BaseException:
        session.close()
        hosting = election.hosting if election else hosting
        if hosting is not None:
            hosting.release()
        raise
    hosting = election.hosting if election else hosting
    if hosting is not None:
        _check_settings(hosting, settings, session)
        _warn_of_loopback(hosting)
    return session, hosting


class _Election:
    """Tries to host an endpoint before each attempt to connect but the first, until it does or a host is found."""

    def __init__(self, endpoint: HostPort, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._attempts = 0
        self.hosting = self._shared()

    def try_to_host(self) -> str:
        """Host if that is possible; else give why not, for an error message."""
        self._attempts += 1
        # The first attempt looks for a host: not every system refuses to bind one address of a port on all of whose
        # addresses somebody listens already.
        if self._attempts > 1 and self.hosting is None:
            try:
                self.hosting = host(self._endpoint, self._settings, elect=True)
            except UnusableDirectoryError as error:  # the endpoint could be bound: no other host is there
                raise _unusable(self._endpoint, self._settings, error) from error
            except OSError as error:
                return f"; not hosted here either: {error.strerror or error}"
        return ""

    def _shared(self) -> Hosting | None:
        try:
            return hosted_here(self._endpoint)
        except OSError:  # a name that cannot be looked up: connecting will say so
            return None


def _host(endpoint: HostPort, settings: Settings) -> Hosting:
    try:
        return host(endpoint, settings)
    except UnusableDirectoryError as error:
        raise _unusable(endpoint, settings, error) from error
    except OSError as error:
        raise RendezvousConnectionError(
            f"tcp backend at '{endpoint}': cannot host the store: {error.strerror or error}; "
            "give is_host=false where another process hosts it, or an address and a free port of this machine"
        ) from error


def _unusable(endpoint: HostPort, settings: Settings, error: UnusableDirectoryError) -> RendezvousConnectionError:
    make = RendezvousConnectionError if error.may_pass else RendezvousConfigurationError
    return make(
        f"tcp backend at '{endpoint}': this process would host the store, and cannot keep it in "
        f"data_dir={settings.data_dir!r}: {error.strerror or error}; give a directory of its own that it can make and "
        "write in, or is_host=false where another process is to host it"
    )


def _check_settings(hosting: Hosting, wanted: Settings, session: Session) -> None:
    """Refuse to share a server of this process that keeps its registers elsewhere than this instance was told."""
    has = hosting.server.settings.data_dir
    if wanted.data_dir is not None and has != wanted.data_dir:
        session.close()
        hosting.release()
        raise RendezvousConnectionError(
            f"tcp backend at '{session.endpoint}': this process hosts it already, "
            f"{f'with data_dir={has!r}' if has else 'without a data_dir'}, which cannot become {wanted.data_dir!r}: "
            "give all instances the same"
        )


def _warn_of_loopback(hosting: Hosting) -> None:
    name = hosting.server.endpoint.host
    if name == "localhost" or not all(address.is_loopback() for address in hosting.server.addresses):
        return
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)
    except OSError:
        _log.warning(
            "rdzv tcp: hosting at %s, but on this machine %r means a loopback address: other machines cannot connect; "
            "give its address instead of the name",
            hosting.server.endpoint,
            name,
        )

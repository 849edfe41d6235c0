"""The options of the etcd backend, and the gateway that they describe."""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from rdzv_core import Option, RendezvousParameters
from rdzv_core.endpoint import parse_endpoints
from rdzv_core.forking import hold_forks
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.session import Credentials

DEFAULT_PORT = 2379

READ_TIMEOUT = Option("read_timeout", int, 60, "seconds within which every call must be answered", positive=True)
PROTOCOL = Option("protocol", str, "http", "protocol that etcd speaks", choices=("http", "https"))
SSL_CERT = Option("ssl_cert", str, None, "file with this client's certificate (PEM), for an etcd that asks for one")
SSL_CERT_KEY = Option("ssl_cert_key", str, None, "file with the key to ssl_cert; unset: it is in ssl_cert")
CA_CERT = Option("ca_cert", str, None, "file with the authorities to trust (PEM); unset: the system's")
USER = Option("user", str, None, "etcd user; needs password")
PASSWORD = Option("password", str, None, "the user's password", secret=True)
KEY_PREFIX = Option("key_prefix", str, "/rdzv/", "prefix of every key, so that etcd roles can be bound to it")
RUN_TTL = Option(
    "run_ttl", int, 7200, "seconds after the last sign of life in which all keys of a run go", positive=True
)

OPTIONS: tuple[Option[Any], ...] = (
    READ_TIMEOUT,
    PROTOCOL,
    SSL_CERT,
    SSL_CERT_KEY,
    CA_CERT,
    USER,
    PASSWORD,
    KEY_PREFIX,
    RUN_TTL,
)


def client_of(params: RendezvousParameters) -> EtcdClient:
    """Make a client, without connecting; raises `ValueError` for a bad option or endpoint.

    All of one process with the same endpoint, user and files share their connections, login and watch. A file that was
    replaced is another one, so a renewed certificate is taken up by whoever connects next.
    """
    gateway_of(params)  # raises for bad options, whether or not there is one to share
    return EtcdClient.sharing(_identity(params), lambda: gateway_of(params), READ_TIMEOUT.of(params))


def gateway_of(params: RendezvousParameters) -> Gateway:
    """Make a gateway, without connecting; raises `ValueError` for a bad option or endpoint."""
    endpoints = parse_endpoints(params.endpoint, DEFAULT_PORT)
    return Gateway(endpoints, _tls(params), _credentials(params), SSL_CERT.optional(params) is not None)


def _identity(params: RendezvousParameters) -> tuple[Hashable, ...]:
    files = [option.optional(params) for option in (SSL_CERT, SSL_CERT_KEY, CA_CERT)]
    versions = [
        stat and (stat.st_dev, stat.st_ino, stat.st_mtime_ns) for stat in (path and Path(path).stat() for path in files)
    ]
    credentials = USER.optional(params), PASSWORD.optional(params)
    return (params.endpoint, PROTOCOL.of(params), *credentials, *files, *versions)


def _credentials(params: RendezvousParameters) -> Credentials | None:
    user, password = USER.optional(params), PASSWORD.optional(params)
    if user is None and password is None:
        return None
    if user is None or password is None:
        given, missing = (USER.name, PASSWORD.name) if password is None else (PASSWORD.name, USER.name)
        raise ValueError(f"option {given} is given without {missing}: etcd needs both")
    return Credentials(user, password)


def _tls(params: RendezvousParameters) -> ssl.SSLContext | None:
    files = {option.name: _file(option, params) for option in (SSL_CERT, SSL_CERT_KEY, CA_CERT)}
    cert, key, ca = files.values()
    if PROTOCOL.of(params) == "http":
        for name, path in files.items():
            if path is not None:
                raise ValueError(f"option {name}={path!r} has no effect over http: give protocol='https' as well")
        return None
    if key is not None and cert is None:
        raise ValueError(f"option ssl_cert_key={key!r} is given without ssl_cert")
    with hold_forks():  # OpenSSL has locks that nobody makes anew in a child
        return _context(cert, key, ca)


def _context(cert: str | None, key: str | None, ca: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"option ca_cert={ca!r} is not a file of certificates in PEM format ({error})") from error
    if cert is not None:
        try:
            # The empty password makes an encrypted key an error; without it OpenSSL would ask on the terminal.
            context.load_cert_chain(cert, key, password="")
        except ssl.SSLError as error:
            raise ValueError(
                f"options ssl_cert={cert!r}, ssl_cert_key={key!r}: not a certificate and its unencrypted key ({error})"
            ) from error
    return context


def _file(option: Option[str], params: RendezvousParameters) -> str | None:
    path = option.optional(params)
    if path is None:
        return None
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"option {option.name}={path!r} cannot be read: {error.strerror}") from error

"""The options of secret and TLS, and the credentials that a client and a server make of them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from rdzv_core import Option, RendezvousParameters
from rdzv_tcp._net.tls import ClientTls, client_tls, server_tls

AUTH_TOKEN = Option("auth_token", str, None, "the secret that nodes and server share; proved, never sent", secret=True)
TLS_CA = Option("tls_ca", str, None, "speak TLS, with a server whose certificate is of an authority in this PEM file")
TLS_CERT = Option("tls_cert", str, None, "PEM file of this node's certificate, as a host and as a client")
TLS_KEY = Option("tls_key", str, None, "PEM file of its key; unset: it is in tls_cert")
TLS_CLIENT_CA = Option(
    "tls_client_ca", str, None, "hosting: let in only clients whose certificate is of an authority in this PEM file"
)

SECURITY = (AUTH_TOKEN, TLS_CA, TLS_CERT, TLS_KEY, TLS_CLIENT_CA)


@dataclass(frozen=True)
class Credentials:
    """What a client shows and asks for. Clients of a process share a connection only if theirs are equal."""

    secret: bytes | None = field(default=None, repr=False)
    tls: ClientTls | None = None


NO_CREDENTIALS = Credentials()


def client_credentials(params: RendezvousParameters) -> Credentials:
    """Read what a client needs from the options. Raises `ValueError` naming a file or an option that is wrong."""
    ca, cert, key = TLS_CA.optional(params), TLS_CERT.optional(params), TLS_KEY.optional(params)
    for option, value in ((TLS_CERT, cert), (TLS_KEY, key), (TLS_CLIENT_CA, TLS_CLIENT_CA.optional(params))):
        if ca is None and value is not None:
            raise ValueError(
                f"option {option.name}={value!r} needs tls_ca too: every node connects, also one that hosts"
            )
    _check_pair(cert, key)
    secret = read_secret(AUTH_TOKEN.optional(params))
    return Credentials(secret, None if ca is None else client_tls(ca, cert, key))


def host_tls(params: RendezvousParameters) -> ssl.SSLContext | None:
    """Read what a hosting node needs: None where it speaks plain text, or has no certificate and cannot host."""
    cert, client_ca = TLS_CERT.optional(params), TLS_CLIENT_CA.optional(params)
    return None if cert is None else server_tls(cert, TLS_KEY.optional(params), client_ca)


def serving_tls(cert: str | None, key: str | None, client_ca: str | None) -> ssl.SSLContext | None:
    """Read what `rdzv serve` is given. Raises `ValueError`."""
    if cert is None and client_ca is not None:
        raise ValueError(f"option tls_ca={client_ca!r} needs tls_cert too: a server has to have a certificate")
    _check_pair(cert, key)
    return None if cert is None else server_tls(cert, key, client_ca)


def read_secret(token: str | None) -> bytes | None:
    """Return the secret as bytes, white space and all. Raises `ValueError` where there is nothing else."""
    if token is None:
        return None
    if not token.strip():
        raise ValueError("option auth_token is empty: give a secret, or leave it out")
    return token.encode("utf-8", "surrogateescape")


def _check_pair(cert: str | None, key: str | None) -> None:
    if cert is None and key is not None:
        raise ValueError(f"option tls_key={key!r} needs tls_cert too")

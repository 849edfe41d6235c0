"""Map what goes wrong on the wire to the errors of the contract, in one place."""

from __future__ import annotations

import http.client
import ssl

from urllib3.exceptions import HTTPError

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort

TRANSPORT_ERRORS = (OSError, http.client.HTTPException, HTTPError, UnicodeError)
"""What sockets, TLS, the resolver and HTTP may raise (UnicodeError: a host name that no resolver can be asked for)."""

# gRPC codes after which etcd may still apply the request: cancelled, unknown, deadline exceeded, aborted, internal,
# unavailable, data loss. Every other one is a refusal.
_UNSETTLED_CODES = frozenset({1, 2, 4, 10, 13, 14, 15})
_UNAUTHENTICATED = 16
_NOT_ETCD = -1
_NO_SUCH_API_CODES = frozenset({_NOT_ETCD, 5, 12})  # not found, unimplemented
_CREDENTIALS = {
    "user name is empty": "this etcd asks for a user: give the options user and password",
    "authentication failed": "the user or the password is wrong: check the options user and password",
    "permission denied": "the user's role must hold the keys under the option key_prefix",
}
_OTHER_HINTS = {
    "database space exceeded": "etcd's quota is used up, so it takes no write until an operator makes room: free old "
    "revisions with `etcdctl compact REVISION`, then `etcdctl defrag` on every member and `etcdctl alarm disarm`; "
    "raise --quota-backend-bytes if it is too small",
}
_STALE_LOGIN = ("user name is empty", "revision of auth store is old", "invalid auth token")
_TLS_SETUP = ("CERT", "UNKNOWN_CA", "WRONG_VERSION", "PROTOCOL_VERSION", "HTTP_REQUEST", "HANDSHAKE_FAILURE", "PACKET")


class NotEtcdError(Exception):
    """Something answered as no etcd v3 does."""


class UnsettledError(ConnectionError):
    """etcd answered that it cannot tell, for example while it has no leader; an election ends that within seconds."""


class UnansweredError(Exception):
    """No answer that settles anything came from `endpoint`; `sent` says whether the request may have arrived."""

    def __init__(self, endpoint: HostPort, sent: bool, cause: Exception) -> None:
        super().__init__(f"{endpoint}: {cause}")
        self.endpoint, self.sent, self.cause = endpoint, sent, cause


class RefusedError(Exception):
    """`endpoint` refused the request; nothing was changed."""

    def __init__(self, endpoint: HostPort, code: int, message: str) -> None:
        hints = {**_CREDENTIALS, **_OTHER_HINTS}
        hint = next((f" ({hint})" for words, hint in hints.items() if words in message), "")
        super().__init__(f"{endpoint} refused: {message}{hint}")
        self.endpoint, self.code, self.message = endpoint, code, message

    @property
    def lease_is_gone(self) -> bool:
        """Whether the lease that the request names has ended."""
        return "lease not found" in self.message

    @property
    def lease_exists(self) -> bool:
        """Whether the lease that the request would grant has been granted."""
        return "lease already exists" in self.message

    @property
    def is_configuration(self) -> bool:
        """Whether this node's settings must change before it can be accepted."""
        if self.lease_is_gone:
            return False
        return self.code in _NO_SUCH_API_CODES or any(words in self.message for words in _CREDENTIALS)

    @property
    def login_is_stale(self) -> bool:
        """Whether logging in again would help."""
        return self.code == _UNAUTHENTICATED or any(text in self.message for text in _STALE_LOGIN)


def lease_is_gone(error: BaseException) -> bool:
    """Return whether `error` is etcd's refusal of a request that names a lease which has ended."""
    return isinstance(error.__cause__, RefusedError) and error.__cause__.lease_is_gone


def lease_exists(error: BaseException) -> bool:
    """Return whether `error` is etcd's refusal to grant a lease that it has granted already."""
    return isinstance(error.__cause__, RefusedError) and error.__cause__.lease_exists


class UnknownOutcomeError(RendezvousConnectionError):
    """The answer to a write was lost: it may or may not have taken effect."""


def failed_answer(endpoint: HostPort, status: int, answer: object, text: str) -> UnansweredError | RefusedError:
    """Classify an answer that is not a success: `answer` is its JSON (None if it is not JSON), `text` its beginning."""
    if not isinstance(answer, dict):
        problem = f"it answers HTTP {status} {text!r}, which is not the answer of an etcd v3 JSON gateway"
        if status >= 500:  # a load balancer that has no etcd behind it at the moment
            return UnansweredError(endpoint, True, ConnectionError(problem))
        return (
            UnansweredError(endpoint, True, NotEtcdError(problem))
            if status == 200
            else RefusedError(endpoint, _NOT_ETCD, problem)
        )
    message = str(answer.get("message") or answer.get("error") or f"HTTP status {status}")
    code = answer.get("code")
    if code in _UNSETTLED_CODES or (code is None and status >= 500):
        return UnansweredError(endpoint, True, UnsettledError(message))
    return RefusedError(endpoint, code if isinstance(code, int) else 0, message)


def is_configuration(cause: BaseException) -> bool:
    """Return whether this node's settings must change before what went wrong on the wire can go right."""
    if isinstance(cause, (NotEtcdError, ssl.SSLCertVerificationError)):
        return True
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, http.client.RemoteDisconnected)):
        return False
    if isinstance(cause, ssl.SSLError):
        return any(word in (cause.reason or "") for word in _TLS_SETUP)
    return isinstance(cause, (http.client.BadStatusLine, http.client.UnknownProtocol))


def describe(cause: BaseException) -> str:
    """Return what happened and what to check."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({cause.verify_message}): check the option ca_cert and the host name"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({cause.reason or cause}): check ssl_cert, ssl_cert_key and ca_cert"
    if isinstance(cause, UnicodeError):
        return f"its name cannot be looked up ({cause})"
    return f"{cause or type(cause).__name__}"

"""From what goes wrong on the wire to the errors of the contract, in one place."""

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
_HINTS = {
    "user name is empty": " (this etcd asks for a user: give the options user and password)",
    "authentication failed": " (the user or the password is wrong: check the options user and password)",
    "permission denied": " (the user's role must hold the keys under the option key_prefix)",
}
_STALE_LOGIN = ("user name is empty", "revision of auth store is old", "invalid auth token")


class UnansweredError(Exception):
    """No answer that settles anything came from `endpoint`; `sent` says whether the request may have arrived."""

    def __init__(self, endpoint: HostPort, sent: bool, cause: Exception) -> None:
        super().__init__(f"{endpoint}: {cause}")
        self.endpoint, self.sent, self.cause = endpoint, sent, cause


class RefusedError(Exception):
    """`endpoint` answered that it will not do it; nothing was changed."""

    def __init__(self, endpoint: HostPort, code: int, message: str) -> None:
        hint = next((hint for words, hint in _HINTS.items() if words in message), "")
        super().__init__(f"{endpoint} refused: {message}{hint}")
        self.endpoint, self.code, self.message = endpoint, code, message

    @property
    def login_is_stale(self) -> bool:
        """Whether logging in anew would help."""
        return self.code == _UNAUTHENTICATED or any(text in self.message for text in _STALE_LOGIN)


class UnknownOutcomeError(RendezvousConnectionError):
    """The answer to a write was lost: it may or may not have taken effect."""


def failed_answer(endpoint: HostPort, status: int, answer: object, text: str) -> UnansweredError | RefusedError:
    """Judge an answer that is not a success: `answer` is its JSON, None if it is not JSON; `text` its beginning."""
    if not isinstance(answer, dict):
        problem = f"it answers HTTP {status} {text!r}, which is no etcd v3 JSON gateway's answer"
        if status >= 500 or status == 200:
            return UnansweredError(endpoint, True, ValueError(problem))
        return RefusedError(endpoint, 0, problem)
    message = str(answer.get("message") or answer.get("error") or f"HTTP status {status}")
    code = answer.get("code")
    if code in _UNSETTLED_CODES or (code is None and status >= 500):
        return UnansweredError(endpoint, True, ConnectionError(message))
    return RefusedError(endpoint, code if isinstance(code, int) else 0, message)


def describe(cause: BaseException) -> str:
    """Say what happened and what to look at."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({cause.verify_message}): check the option ca_cert and the host name"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({cause.reason or cause}): check ssl_cert, ssl_cert_key and ca_cert"
    if isinstance(cause, UnicodeError):
        return f"its name can not be looked up ({cause})"
    return f"{cause or type(cause).__name__}"

"""TLS and users: the right peer gets in, the wrong one is refused with an error that says so."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer
from rdzv_etcd._client import shared_watch
from rdzv_etcd._server.process import EtcdProcess, free_ports, standalone_flags

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError, SetStateResult

Connect = Callable[..., EtcdBackend]


def _set(backend: EtcdBackend, state: bytes, token: Any = None) -> SetStateResult:
    result = backend.set_state(state, token)
    assert result is not None
    return result


# --- TLS ---


class Authority(NamedTuple):
    """A certificate authority, a certificate of localhost and its key; all PEM files."""

    ca: str
    cert: str
    key: str


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def _authority(directory: Path, host: str = "127.0.0.1") -> Authority:
    directory.mkdir()
    ca, ca_key, cert, key, request, names = (
        str(directory / name) for name in ("ca.pem", "ca.key", "cert.pem", "cert.key", "cert.csr", "names")
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, *subject)
    _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=etcd")
    kind = "DNS" if host[0].isalpha() else "IP"
    # etcd's gateway presents the server's own certificate to etcd: it must be fit for a client as well.
    # The key identifiers are what Python 3.13's strict checks ask for.
    Path(names).write_text(
        f"subjectAltName={kind}:{host}\nextendedKeyUsage=serverAuth,clientAuth\n"
        "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    signer = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", names]
    _openssl("x509", "-req", "-in", request, "-out", cert, *signer)
    return Authority(ca, cert, key)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the https etcds and their clients belong to."""
    return _authority(tmp_path_factory.mktemp("tls") / "right")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority."""
    return _authority(tmp_path_factory.mktemp("tls") / "wrong")


@contextlib.contextmanager
def _https_etcd(binary: str, data_dir: Path, server: Authority, *further: str) -> Iterator[str]:
    peer_port, port = free_ports("127.0.0.1", 2)
    flags = [
        flag.replace("http://", "https://") if "client-urls" in flag else flag
        for flag in standalone_flags("tls", str(data_dir), "127.0.0.1", port, peer_port)
    ]
    flags += [f"--cert-file={server.cert}", f"--key-file={server.key}", *further]
    process = EtcdProcess(binary, flags, subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.stop(10)


def _patiently(connect: Connect, endpoint: str, **config: Any) -> EtcdBackend:
    """Connect as soon as etcd serves."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return connect(endpoint, **config)
        except RendezvousConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def https_etcd(etcd_binary: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An etcd that speaks https to anybody."""
    with _https_etcd(etcd_binary, tmp_path_factory.mktemp("https"), authority) as endpoint:
        yield endpoint


def test_https_with_the_right_authority(https_etcd: str, connect: Connect, authority: Authority) -> None:
    """Over TLS the register and its watch work as over http, a megabyte at once too."""
    backend = _patiently(connect, https_etcd, protocol="HTTPS", ca_cert=authority.ca)
    assert not backend.secure  # anybody may come in
    first = _set(backend, b"x" * backend.max_state_bytes)
    second = _set(backend, b"y", first.token)
    assert backend.get_state() == (b"y", second.token)
    assert backend.wait_state(first.token, 10) == (True, (b"y", second.token))
    assert backend.wait_state(second.token, 0.2) == (False, (b"y", second.token))


def test_https_with_another_authority_is_refused(
    https_etcd: str, connect: Connect, authority: Authority, stranger: Authority
) -> None:
    """A server whose certificate another authority signed is not trusted; the error names the option to look at."""
    _patiently(connect, https_etcd, protocol="https", ca_cert=authority.ca)
    for ca in (stranger.ca, None):  # None: the system's authorities, which do not know it either
        with pytest.raises(RendezvousConfigurationError, match=r"certificate is not accepted.*ca_cert"):
            connect(https_etcd, protocol="https", ca_cert=ca)


def test_plain_http_to_an_https_etcd_is_refused(https_etcd: str, connect: Connect, authority: Authority) -> None:
    """Plain text against TLS is an error that names the option to change, not a hang."""
    _patiently(connect, https_etcd, protocol="https", ca_cert=authority.ca)
    with pytest.raises(RendezvousConfigurationError, match=r"over http: .*it speaks https, so give protocol='https'"):
        connect(https_etcd, read_timeout=10)


def test_https_to_a_plain_etcd_is_refused(etcd: EtcdServer, connect: Connect, authority: Authority) -> None:
    """TLS against plain text is an error that names the option to change."""
    with pytest.raises(RendezvousConfigurationError, match="it speaks http, so give protocol='http'"):
        connect(etcd.get_endpoint(), protocol="https", ca_cert=authority.ca, read_timeout=10)


def test_a_certificate_for_another_host_is_refused(
    etcd_binary: str, connect: Connect, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """The host name is checked: a certificate of the right authority for another host does not do."""
    other = _authority(tmp_path / "other", host="other.example")
    with _https_etcd(etcd_binary, tmp_path / "data", other) as endpoint:

        def refused() -> bool:
            with pytest.raises(RendezvousConnectionError) as caught:
                connect(endpoint, protocol="https", ca_cert=other.ca)
            return "certificate is not accepted (IP address mismatch" in str(caught.value)

        eventually(refused)


def test_mutual_tls(
    etcd_binary: str, connect: Connect, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    """An etcd that asks for a certificate accepts one of its authority, and no other."""
    further = ("--client-cert-auth=true", f"--trusted-ca-file={authority.ca}")
    with _https_etcd(etcd_binary, tmp_path / "data", authority, *further) as endpoint:
        tls = {"protocol": "https", "ca_cert": authority.ca}
        backend = _patiently(connect, endpoint, ssl_cert=authority.cert, ssl_cert_key=authority.key, **tls)
        assert backend.secure
        assert _set(backend, b"x").has_set
        together = tmp_path / "together.pem"
        together.write_text(Path(authority.cert).read_text() + Path(authority.key).read_text())
        assert connect(endpoint, ssl_cert=str(together), **tls).get_state() is not None
        wrong = {"ssl_cert": stranger.cert, "ssl_cert_key": stranger.key}
        for credentials in ({}, wrong):
            with pytest.raises(RendezvousConnectionError, match=endpoint):
                connect(endpoint, read_timeout=10, **credentials, **tls)


def test_a_key_that_is_encrypted_or_of_another_certificate_is_a_value_error(
    connect: Connect, authority: Authority, stranger: Authority, closed_port: int, tmp_path: Path
) -> None:
    """Nobody is asked for a pass phrase on the terminal; the error names both files."""
    encrypted = str(tmp_path / "encrypted.key")
    _openssl("ec", "-in", authority.key, "-aes256", "-passout", "pass:hunter2", "-out", encrypted)
    for key in (encrypted, stranger.key):
        with pytest.raises(ValueError, match=r"ssl_cert='.*cert\.pem', ssl_cert_key='.*\.key'"):
            connect(f"127.0.0.1:{closed_port}", protocol="https", ssl_cert=authority.cert, ssl_cert_key=key)
    with pytest.raises(ValueError, match=r"ssl_cert_key=.*without ssl_cert"):
        connect(f"127.0.0.1:{closed_port}", protocol="https", ssl_cert_key=authority.key)


# --- users ---

ROOT = {"user": "root", "password": "correct horse"}
JOB = {"user": "job", "password": "battery staple"}


@pytest.fixture
def guarded_etcd(own_etcd: EtcdServer, oracle: Callable[..., Any]) -> EtcdServer:
    """An etcd with users: root, and one who may read and write below /jobs/ only."""
    admin = oracle(own_etcd.get_endpoint())
    for user in (ROOT, JOB):
        admin.post("/v3/auth/user/add", {"name": user["user"], "password": user["password"]})
        admin.post("/v3/auth/role/add", {"name": user["user"]})
        admin.post("/v3/auth/user/grant", {"user": user["user"], "role": user["user"]})
    start, end = (base64.b64encode(key).decode() for key in (b"/jobs/", b"/jobs0"))
    permission = {"permType": "READWRITE", "key": start, "range_end": end}
    admin.post("/v3/auth/role/grant", {"name": "job", "perm": permission})
    admin.post("/v3/auth/enable", {})
    return own_etcd


def test_a_user_with_the_password_gets_in(guarded_etcd: EtcdServer, connect: Connect) -> None:
    """With user and password everything works, a wait included."""
    backend = connect(guarded_etcd.get_endpoint(), **ROOT)
    assert not backend.secure  # over http everybody can read the password
    result = _set(backend, b"x")
    assert backend.get_state() == (b"x", result.token)
    assert backend.wait_state(result.token, 0.2) == (False, (b"x", result.token))


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ({}, "user name is empty .this etcd asks for a user: give the options user and password"),
        ({**ROOT, "password": "hunter2"}, "invalid user ID or password .the user or the password is wrong"),
        ({**ROOT, "user": "nobody"}, "authentication failed, invalid user ID or password"),
        (JOB, "permission denied .the user's role must hold the keys under the option key_prefix"),
    ],
    ids=["nobody", "wrong password", "wrong user", "wrong key"],
)
def test_who_has_no_business_there_is_refused(
    guarded_etcd: EtcdServer, connect: Connect, credentials: dict[str, str], reason: str
) -> None:
    """Each refusal says why, in etcd's words, and shows no password."""
    with pytest.raises(RendezvousConfigurationError, match=rf"backend 'etcd' at .* refused: .*{reason}") as caught:
        connect(guarded_etcd.get_endpoint(), read_timeout=10, **credentials)
    assert credentials.get("password", "hunter2") not in str(caught.value)


def test_only_tls_and_a_login_together_are_secure(
    etcd_binary: str, connect: Connect, authority: Authority, tmp_path: Path
) -> None:
    """A user over https is a claim to the profile `secure`, once etcd took the login; its siblings claim it too."""
    with _https_etcd(etcd_binary, tmp_path / "data", authority) as endpoint:
        tls = {"protocol": "https", "ca_cert": authority.ca}
        client = _patiently(connect, endpoint, **tls).client
        assert not connect(endpoint, **ROOT, **tls).secure
        client.enable_users(ROOT["user"], ROOT["password"])
        backend = connect(endpoint, **ROOT, **tls)
        assert backend.secure
        with contextlib.closing(backend.sibling("other")) as sibling:
            assert sibling.secure


def test_key_prefix_fits_a_role(guarded_etcd: EtcdServer, connect: Connect) -> None:
    """A user whose role is bound to a prefix works below it."""
    backend = connect(guarded_etcd.get_endpoint(), key_prefix="/jobs/", **JOB)
    result = _set(backend, b"x")
    assert backend.wait_state(result.token, 0.2) == (False, (b"x", result.token))
    lease = backend.enter(b"x", 30)
    assert backend.update(lease, b"y")
    assert backend.refresh(lease)
    assert not backend.wait_members(backend.members().version, 0.2)
    backend.store("round").set("key", b"value")
    backend.leave(lease)
    assert backend.delete_state()


def test_a_login_that_became_invalid_is_renewed(guarded_etcd: EtcdServer, connect: Connect) -> None:
    """etcd forgets logins when it restarts, and over time: reads, writes and waits log in again by themselves."""
    backend = connect(guarded_etcd.get_endpoint(), **ROOT)
    gateway = backend.client.gateway
    gateway.session.token = "stale.1"
    result = _set(backend, b"x")
    gateway.session.token = "stale.1"
    assert backend.get_state() == (b"x", result.token)
    gateway.session.token = "stale.1"
    assert backend.wait_state(result.token, 0.2) == (False, (b"x", result.token))
    guarded_etcd.stop()
    guarded_etcd.start()
    assert _set(backend, b"y", result.token).has_set


def test_every_watch_of_a_stream_stands(
    https_etcd: str, connect: Connect, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """etcd's server would throw away the last of several watches where it begins to answer before it has read them."""
    monkeypatch.setattr(shared_watch, "CHECK_EVERY_ALONE", 1000.0)
    tls = {"protocol": "https", "ca_cert": authority.ca}
    anchor = _patiently(connect, https_etcd, **tls)
    with ThreadPoolExecutor(64) as pool:
        pool.submit(anchor.wait_state, None, 2.0)
        for number in range(60):
            backend = connect(https_etcd, run=f"stands-{number}", **tls)
            result = _set(backend, b"x")
            wait = pool.submit(backend.wait_state, result.token, 30)
            changed = _set(backend, b"y", result.token)
            assert wait.result(20) == (True, (b"y", changed.token))


def test_credentials_for_an_etcd_without_users_do_no_harm(etcd: EtcdServer, connect: Connect) -> None:
    """Where authentication is not enabled, user and password are not asked for, and nothing is claimed for them."""
    backend = connect(etcd.get_endpoint(), **ROOT)
    assert _set(backend, b"x").has_set
    assert not backend.secure


def test_a_login_to_an_etcd_that_lost_its_data_is_renewed(etcd_binary: str, connect: Connect, tmp_path: Path) -> None:
    """etcd would wait until it has come to the raft index in the login, and say nothing meanwhile."""
    with EtcdServer(tmp_path / "etcd", binary=etcd_binary) as server:
        server.get_client().enable_users(ROOT["user"], ROOT["password"])
        backend = connect(server.get_endpoint(), **ROOT)
        for number in range(30):  # so that the login's index is not soon come to again
            total = backend.store("round").add("key", 1)
            assert total == number + 1
        backend.client.gateway.session.forget()
        before = backend.members()
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        shutil.rmtree(tmp_path / "etcd")
        server.start()
        server.get_client().enable_users(ROOT["user"], ROOT["password"])
        assert backend.wait_members(before.version, 5)
        assert backend.members().incarnation != before.incarnation

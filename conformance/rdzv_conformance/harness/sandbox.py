"""What the suite hands to a backend that starts a store of the suite's own: a place for files, certificates, processes.

A plugin's helpers import nothing of this package, so they are given what they would else each write again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

OPENSSL_LIMIT = 60
END_LIMIT = 10.0
SAYS_LIMIT = 2000
START_LIMIT = 60.0
LOOK_EVERY = 0.01


class Authority(NamedTuple):
    """A certificate authority, and a certificate of `127.0.0.1` and `localhost` with its key; paths of PEM files."""

    ca: str
    cert: str
    key: str


class Service:
    """A process that serves, and that is stopped, continued, killed and started again. Not thread-safe.

    What it writes on stderr goes to `log`, what it writes on stdout to a file beside it. It ends with the suite, also
    if that is killed: it is of the process group that `rdzv certify` ends at last.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command: list[str] = list(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, answers: Callable[[], object] | None = None, limit: float = START_LIMIT) -> str:
        """Start it, wait until it serves, and return the first line that it wrote on stdout.

        It serves when it has written that line. One that writes none, or too early, is asked: it serves as soon as
        `answers()` raises nothing and returns anything but False; it is called again until then, and "" is returned
        where there is no line. Raises `OSError`, with what it said last, if it ends, or does not serve, within `limit`
        seconds (60).
        """
        said = self._log.with_name(f"{self._log.name}.stdout")
        with self._log.open("ab") as log, said.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - a command of the backend's own helpers
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )
        ends = time.monotonic() + limit
        while True:
            line, newline, _ = said.read_text(errors="replace").partition("\n")
            if _serves(answers) if answers else newline:
                return line.strip()
            code = self._process.poll()
            if code is not None or time.monotonic() > ends:
                break
            time.sleep(LOOK_EVERY)  # nothing tells when a file grows, or when it answers
        self.kill()
        last = "\n".join(each.read_text(errors="replace").strip() for each in (said, self._log)).strip()[-SAYS_LIMIT:]
        command = " ".join(self.command)
        if code is not None:
            raise OSError(f"{command} did not start (status {code}): {last}")
        missing = "answered nothing" if answers else "wrote no line on stdout (give start() an `answers` to ask it)"
        raise OSError(f"{command} did not start: it {missing} within {limit:g} s: {last}")

    def pause(self) -> None:
        """Let it answer nothing (SIGSTOP)."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again (SIGCONT)."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL, and wait for its end. Nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=END_LIMIT)
            self._process = None

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitpid(self._process.pid, os.WUNTRACED)  # the signal is sent before it has stopped all threads


def _serves(answers: Callable[[], object]) -> bool:
    try:
        return answers() is not False
    except Exception:  # noqa: BLE001 - whatever a client of it raises: it does not serve yet
        return False


class Sandbox:
    """What starts a store. `directory` is empty, and removed when the suite has ended."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def service(self, command: Sequence[str]) -> Service:
        """Return a process that is not started yet. What it says on stderr is kept in the directory."""
        return Service(command, self.directory / "log")

    def authority(self, name: str) -> Authority:
        """Make a certificate authority with a certificate of this machine, in the directory `name`.

        Raises `OSError` if there is no `openssl` command, or if it fails.
        """
        directory = self.directory / name
        directory.mkdir()
        ca, ca_key, cert, key, request, extensions = (
            str(directory / file) for file in ("ca.pem", "ca.key", "cert.pem", "cert.key", "request", "extensions")
        )
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        itself = ["-days", "2", "-subj", f"/CN=rdzv certify {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, *itself)
        _openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=rdzv certify")
        # Fit for both ends of a connection; the key identifiers are what Python 3.13's strict checks ask for.
        Path(extensions).write_text(
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n"
            "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
            encoding="ascii",
        )
        signer = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
        _openssl("x509", "-req", "-in", request, "-out", cert, *signer)
        return Authority(ca, cert, key)


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            ["openssl", *arguments],  # noqa: S607 - the one that the user has
            check=True,
            capture_output=True,
            text=True,
            timeout=OPENSSL_LIMIT,
        )
    except FileNotFoundError as error:
        raise OSError("a store with TLS needs certificates: install the openssl command, which makes them") from error
    except subprocess.CalledProcessError as error:
        raise OSError(f"openssl {arguments[0]} failed: {error.stderr.strip()[-SAYS_LIMIT:]}") from error

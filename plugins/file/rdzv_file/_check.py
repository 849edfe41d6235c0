"""Test whether a file system does what the store relies on, with two processes: `rdzv backends file --check`."""

# ruff: noqa: PTH118, PTH120, S603 - plain system calls, on plain strings; a process of our own

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rdzv_core.checking import Finding
from rdzv_file._errors import explained
from rdzv_file._files import create_directory, read_file, replace_file
from rdzv_file._members import lease_file

_REPLACEMENTS = 200
_PATIENCE = 10.0

Test = Callable[[str, str], str]
"""Tries something in a directory, which another process sees under the second name. Returns what was seen, raises
`_FailedError` or `OSError`."""


class _FailedError(Exception):
    """What was tried does not work here."""


def check_path(endpoints: Sequence[str]) -> Iterator[Finding]:
    """Test the file system of a path, or of several paths that should be the same, such as two mounts.

    Works in a directory of its own beside the store, or in it if that is a directory, and removes it.
    """
    try:
        with ExitStack() as ending:
            here, there = ending.enter_context(_workplace(endpoints[0], endpoints[-1]))
            yield Finding("a directory can be made", True, here)
            for subject, test in _TESTS:
                yield _outcome(subject, test, here, there)
    except OSError as error:
        yield Finding("a directory can be made", False, str(explained(endpoints[0], "test this path", error)))
    for endpoint in dict.fromkeys(endpoints):
        yield from _mounted_alone(endpoint)


def _outcome(subject: str, test: Test, here: str, there: str) -> Finding:
    try:
        return Finding(subject, True, test(here, there))
    except _FailedError as error:
        return Finding(subject, False, str(error))
    except OSError as error:
        return Finding(subject, False, f"{error.strerror or error}")


@contextmanager
def _workplace(first: str, last: str) -> Iterator[tuple[str, str]]:
    name = f".rdzv-check-{secrets.token_hex(8)}"
    here, there = (os.path.join(_directory_of(endpoint), name) for endpoint in (first, last))
    create_directory(here)
    try:
        yield here, there
    finally:
        shutil.rmtree(here, ignore_errors=True)


def _directory_of(endpoint: str) -> str:
    real = os.path.realpath(endpoint)
    return real if os.path.isdir(real) else os.path.dirname(real)  # noqa: PTH112 - as above


def _fsync_works(here: str, _there: str) -> str:
    began = time.monotonic()
    replace_file(f"{here}/synced", f"{here}/synced.tmp", (b"x",), lambda: None)
    return f"a file and its directory, in {(time.monotonic() - began) * 1000:.1f} ms"


def _same_directory(here: str, there: str) -> str:
    replace_file(f"{here}/same", f"{here}/same.tmp", (b"x",), lambda: None)
    if read_file(f"{there}/same") != b"x":
        raise _FailedError(f"{there} does not show what was written to {here}")
    return "the other name shows what is written" if here != there else "one name was given"


def _flock_excludes(here: str, there: str) -> str:
    with _other(_HOLD, f"{there}/lock") as holder:
        if _can_lock(f"{here}/lock"):
            raise _FailedError(f"process {holder.pid} and this one held the lock at once: updates would be lost")
        holder.kill()
        holder.wait(_PATIENCE)
        until = time.monotonic() + _PATIENCE
        while not _can_lock(f"{here}/lock"):
            if time.monotonic() > until:
                raise _FailedError(f"the lock outlived its holder, process {holder.pid}, for {_PATIENCE:g} s")
            time.sleep(0.01)
    return "it kept a second process out, and fell when its holder was killed"


def _can_lock(path: str) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _rename_is_atomic(here: str, there: str) -> str:
    """Read while another process replaces the file as fast as it can: every read is whole."""
    path, reads = f"{here}/replaced", 0
    last = b"%d " % _REPLACEMENTS * 1000
    replace_file(path, f"{path}.tmp", (b"0 " * 1000,), lambda: None)
    with _other(_REPLACE, f"{there}/replaced", str(_REPLACEMENTS)) as writer:
        until: float | None = None
        while (content := read_file(path)) != last:
            reads += 1
            if content is None:
                raise _FailedError("the file was missing for a moment while it was replaced")
            if len(set(content.split())) != 1 or len(content.split()) != 1000:
                raise _FailedError(f"a reader saw a part of a file ({len(content)} bytes) while it was replaced")
            if until is None and writer.poll() is not None:
                until = time.monotonic() + _PATIENCE
            if until is not None and time.monotonic() > until:
                raise _FailedError(f"a change was not seen within {_PATIENCE:g} s: contents are cached")
    return f"{_REPLACEMENTS} replacements, {reads} reads of whole contents"


def _change_is_visible(here: str, there: str) -> str:
    """A replaced file is another file: the next look shows a new inode and the new content."""
    path = f"{here}/changed"
    replace_file(path, f"{path}.tmp", (b"old",), lambda: None)
    before = os.stat(path)  # noqa: PTH116 - as above
    with _other(_REPLACE, f"{there}/changed", "1") as writer:
        writer.wait(_PATIENCE)
    if (content := read_file(path)) == b"old" or content is None:
        raise _FailedError("the old content is read after another process replaced it: it is cached too long")
    after = os.stat(path)  # noqa: PTH116 - as above
    if (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns):
        raise _FailedError("inode and time stayed the same when another process replaced the file")
    return "the new content, inode and time at the next look"


def _times_are_kept(here: str, there: str) -> str:
    """A member's refresh gives its file a later time: both names have to show it."""
    lease_file.create(f"{here}/lease")
    seen = {lease_file.last_refresh(f"{there}/lease")}
    for number in range(1, 4):
        with lease_file.opened(f"{here}/lease") as fd:
            assert fd is not None, "it was just made"
            lease_file.refresh(fd)
        with lease_file.opened(f"{there}/lease") as fd:  # which asks the server where one is
            seen.add(None if fd is None else lease_file.refreshed_at(fd))
        if len(seen) != number + 1:
            raise _FailedError("a file that got a later time shows the one before: members would be taken for dead")
    return "each refresh of a member shows"


def _mounted_alone(endpoint: str) -> Iterator[Finding]:
    real = os.path.realpath(endpoint)
    try:
        if not stat.S_ISREG(os.stat(real).st_mode):  # noqa: PTH116 - as above
            return
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - as above
            mounts = {line.split(" ")[4].encode().decode("unicode_escape") for line in file}
    except (OSError, ValueError):  # no such file, or no such list
        return
    detail = "it is a mount of its own and cannot be replaced: mount its directory" if real in mounts else real
    yield Finding("the file can be replaced", real not in mounts, detail)


_TESTS: tuple[tuple[str, Test], ...] = (
    ("all names are one directory", _same_directory),
    ("fsync works", _fsync_works),
    ("flock excludes", _flock_excludes),
    ("rename is atomic", _rename_is_atomic),
    ("a change is visible", _change_is_visible),
    ("times are kept", _times_are_kept),
)

_HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(fd, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""

_REPLACE = """
import os, sys
path = sys.argv[1]
print("ready", flush=True)
for number in range(1, int(sys.argv[2]) + 1):
    with open(path + ".tmp", "wb") as file:
        file.write(b"%d " % number * 1000)
    os.replace(path + ".tmp", path)
"""


@contextmanager
def _other(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process within the block, and wait until it is ready."""
    command = [sys.executable, "-I", "-c", program, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise _FailedError(process.stderr.read().strip().rpartition("\n")[2] or "another process failed")
            yield process
        finally:
            process.kill()

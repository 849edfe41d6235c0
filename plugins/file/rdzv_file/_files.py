"""Files that are replaced whole: a reader sees the old content or the new, never a part."""

# ruff: noqa: PTH102, PTH105, PTH108, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence

from rdzv_file._pin import Pin

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_LARGE = 16 * 1024


def open_file(path: str) -> int:
    """Open the file for reading; raises `OSError`."""
    return os.open(path, _READ)


def read_all(fd: int) -> bytes:
    """Return the content of an open file."""
    size = os.fstat(fd).st_size
    content = os.pread(fd, size + 1, 0)
    while len(content) > size:  # it grew meanwhile
        size = len(content) + (1 << 16)
        content = os.pread(fd, size + 1, 0)
    return content


def read_file(path: str, size: int = -1) -> bytes | None:
    """Return the file's content, or its first `size` bytes; None if there is no such file. Takes no lock."""
    try:
        fd = open_file(path)
    except FileNotFoundError:
        return None
    try:
        return read_all(fd) if size < 0 else os.pread(fd, size, 0)
    finally:
        os.close(fd)


def is_file_at(fd: int, path: str) -> bool:
    """Return whether the open file is still the one at `path`: it may have been deleted or replaced."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def create_directory(path: str) -> None:
    """Create a directory for this user only; an existing one is left as it is. Its parent must exist."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def replace_file(
    path: str, temporary: str, content: Sequence[bytes], before_rename: Callable[[], None], *, sync: bool = True
) -> Pin:
    """Replace the file by one with the bytes of `content`, mode 0600, and return it.

    With `sync` it is on the disk when this returns.

    If it raises before the new file is in place, or `before_rename` does, the old one is unharmed and `temporary` is
    gone again.
    """
    pin = Pin(os.open(temporary, _CREATE, 0o600))
    try:
        os.fchmod(pin.fd, 0o600)  # whatever the umask is
        for piece in _pieces(content):
            _write_all(pin.fd, piece)
        if sync:
            os.fsync(pin.fd)
        before_rename()
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except OSError:
            pass  # the error that led here is the one to report
        raise
    if sync:
        _sync_directory(path)
    return pin


def keep_aside(path: str, aside: str) -> None:
    """Let the file have the name `aside` as well, which it keeps when it is replaced.

    Where there is no such file, or the file system has no second names, there is nothing under that name afterwards.
    """
    remove_file(aside, sync=False)
    try:
        os.link(path, aside, follow_symlinks=False)
    except OSError:
        pass  # it is not needed for anything but a repair by hand


def remove_file(path: str, *, sync: bool = True) -> None:
    """Delete the file, with `sync` on the disk too when this returns; a missing one is not an error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    if sync:
        _sync_directory(path)


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Return the parts with the small ones joined, so that they take a few writes, and no large one is copied."""
    small: list[bytes] = []
    for part in parts:
        if len(part) < _LARGE:
            small.append(part)
            continue
        yield b"".join(small)
        yield part
        small = []
    yield b"".join(small)


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync_directory(path: str) -> None:
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems need no sync of directories, and refuse it this way
            raise
    finally:
        os.close(fd)

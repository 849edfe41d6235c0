"""Whether a command can be started: what its file tells beforehand, and what the system's refusal means."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rdzv_core._cli.errors import NO_PROCESS

_LONGEST_FIRST_LINE = 256  # of which the kernel reads no more

_MEANINGS = {
    errno.ENOENT: "the program or its interpreter is missing: install the interpreter that its first line names, or "
    "the system's loader that it was built for (`file` tells which)",
    errno.EAGAIN: f"the system refuses this process another one: {NO_PROCESS}",
    errno.ENOEXEC: "it is not a program for this system: a script needs a first line such as #!/bin/sh, and a binary "
    "must be built for this machine's architecture (`file` tells which it has)",
}


def command_line(words: Sequence[str], module: bool) -> list[str]:
    """Return the command that `words` mean: with `module` the first one is a Python module.

    A file `*.py` that is no program of its own is run by this process's Python, as under torchrun.
    """
    python = [sys.executable, "-u"]
    if module:
        return [*python, "-m", *words]
    is_script = words[0].endswith(".py") and shutil.which(words[0]) is None and Path(words[0]).is_file()
    return [*python, *words] if is_script else [*words]


def check_command(program: str) -> None:
    """Raise `ValueError` for a program that is not found, not executable, or a script without its interpreter.

    What passes may still not start: see `not_started`.
    """
    path = shutil.which(program)
    if path is None:
        raise ValueError(f"command {program!r} is not found, or is not executable")
    interpreter = _interpreter(path)
    if interpreter is not None and not (Path(interpreter).is_file() and os.access(interpreter, os.X_OK)):
        raise ValueError(
            f"command {program!r} cannot be started: its first line names the interpreter {interpreter!r}, which is "
            f"not found, or is not executable: install it, or fix the first line of {path!r}"
        )


def not_started(program: str, number: int) -> OSError:
    """Return the error for a program that the system refused to start, with the errno `number`."""
    why = _MEANINGS.get(number, f"{os.strerror(number)} (errno {number})")
    error = OSError(f"command {program!r} cannot be started: {why}")
    error.errno = number
    return error


def _interpreter(path: str) -> str | None:
    """Return the interpreter that a script's first line names; None if there is no such line, or it is too long."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - of a program of a gigabyte only this
            first = file.read(_LONGEST_FIRST_LINE)
    except OSError:  # executable is not readable
        return None
    line, ended, _ = first.partition(b"\n")
    words = line[2:].replace(b"\t", b" ").strip(b" ").partition(b" ")
    if not first.startswith(b"#!") or not words[0] or b"\0" in words[0] or not (ended or words[1]):
        return None
    return os.fsdecode(words[0])

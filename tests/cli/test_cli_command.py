"""Whether a command can be started, told from its file, and what the system's refusal is made of."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from rdzv_core._cli.node.command import check_command, not_started


def _program(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\n",
        b"#! /bin/sh -e\n",
        b"#!\t/usr/bin/env sh\nexit\n",
        b"#!/bin/sh",
        b"#!\n",
        b"\x7fELF",
        b"",
        b"#!/" + b"x" * 300,
    ],
    ids=repr,
)
def test_what_may_start_passes(content: bytes, tmp_path: Path) -> None:
    """Only a first line that can be read in whole is judged: all else is the system's to say."""
    check_command(_program(tmp_path / "program", content))


@pytest.mark.parametrize(
    ("first", "interpreter"),
    [
        (b"#!/no/such/sh -e\n", "/no/such/sh"),
        (b"#! /no/such/sh \n", "/no/such/sh"),
        (b"#!/bin/sh\r\n", "/bin/sh\r"),
        (b"#!/etc/passwd\n", "/etc/passwd"),
        (b"#!/tmp\n", "/tmp"),
    ],
)
def test_a_script_whose_interpreter_cannot_be_run_is_refused(first: bytes, interpreter: str, tmp_path: Path) -> None:
    """A missing one, one that is not a program, one with a line end of Windows: shown as it stands there."""
    script = _program(tmp_path / "script", first + b"exit 0\n")
    with pytest.raises(ValueError, match="its first line names the interpreter") as raised:
        check_command(script)
    assert f"names the interpreter {interpreter!r}, which is not found" in str(raised.value)
    assert repr(script) in str(raised.value)


@pytest.mark.parametrize("program", ["no-such-command-anywhere", "/no/such", "/etc/passwd", "/tmp", ""])
def test_what_is_no_program_is_refused(program: str) -> None:
    """Whether it is not there, not executable, or a directory."""
    with pytest.raises(ValueError, match=f"command '{program}' is not found, or is not executable"):
        check_command(program)


def test_a_name_is_looked_up_as_a_shell_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PATH; the error has both the name and the file."""
    script = _program(tmp_path / "mine", b"#!/no/such/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(ValueError, match=f"command 'mine' .* the first line of '{script}'"):
        check_command("mine")
    check_command(sys.executable)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOENT, "the program or its interpreter is missing"),
        (errno.ENOEXEC, "a first line such as #!/bin/sh"),
        (errno.E2BIG, "Argument list too long"),
    ],
)
def test_a_refusal_of_the_system_names_the_command_and_what_to_do(number: int, said: str) -> None:
    """It is an OSError still, with its number."""
    error = not_started("/x/y", number)
    assert str(error).startswith("command '/x/y' cannot be started: ")
    assert said in str(error)
    assert error.errno == number

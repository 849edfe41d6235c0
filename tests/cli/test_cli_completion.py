"""`rdzv completion`: what a shell is told, and a real bash that completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _completed(*words: str, **variables: str) -> list[str]:
    """Return what bash would be offered for the last of `words`, as the script that it was given asks for it."""
    line = ["rdzv", *words]
    environment = {**os.environ, "_RDZV_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line), **variables}
    environment["COMP_CWORD"] = str(len(line) - 1)
    done = subprocess.run(
        [sys.executable, "-m", "rdzv_core"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return [offer.partition(",")[2] for offer in done.stdout.splitlines() if offer]


def test_backends_are_completed_by_name() -> None:
    """Wherever one is named."""
    assert _completed("run", "--backend", "t") == ["tcp"]
    assert {"tcp", "file", "etcd", "memory"} <= set(_completed("status", "--backend", ""))
    assert _completed("backends", "et") == ["etcd"]


def test_options_are_those_of_the_handler_and_of_the_backend_that_is_named() -> None:
    """A backend's options are offered once it is known, and a secret's file beside it."""
    assert _completed("run", "--option", "join_t") == ["join_timeout="]
    assert _completed("run", "--option", "auth") == []
    assert _completed("run", "--backend", "tcp", "--option", "auth") == ["auth_token=", "auth_token_file="]
    assert _completed("run", "--backend", "nosuch", "--option", "join_t") == ["join_timeout="]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_names_the_command(shell: str) -> None:
    """It is what the shell is to evaluate, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "rdzv_core", "completion", shell],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"_RDZV_COMPLETE={shell}_complete" in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script() -> None:
    """A bash that evaluates it completes `rdzv st` to the command."""
    beside = Path(sys.executable).parent
    assert (beside / "rdzv").exists()
    program = (
        'eval "$(rdzv completion bash)"; COMP_WORDS=(rdzv sta); COMP_CWORD=1; '
        '_rdzv_completion rdzv sta rdzv; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", program],
        env={**os.environ, "PATH": f"{beside}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["status"], done.stderr

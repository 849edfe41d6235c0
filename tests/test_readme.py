"""What the README shows is what the tree holds, it runs, and it can be read on a package index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(?:python|sh)?\n(.*?)```", README, re.DOTALL)
LINKS = re.findall(r"\]\(([^)]+)\)", README)
REPOSITORY = re.findall(r'^Source = "([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
RAW = "https://raw.githubusercontent.com/"


def test_the_readmes_first_program_is_the_file_that_is_tested() -> None:
    """The README's code is not a copy that ages."""
    assert (ROOT / "examples/meet.py").read_text("utf-8") in BLOCKS


def test_the_readmes_first_program_prints_what_the_readme_says(tmp_path: Path) -> None:
    """Three processes of examples/meet.py print the three lines."""
    command = [sys.executable, str(ROOT / "examples/meet.py"), str(tmp_path / "meet")]
    nodes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = sorted(node.communicate(timeout=60)[0] for node in nodes)
    assert [0, 0, 0] == [node.returncode for node in nodes]
    assert "".join(printed) in BLOCKS


def test_the_readmes_commands_work_as_often_as_they_are_pasted(tmp_path: Path) -> None:
    """A newcomer repeats them: nothing is left over that the second time would find, and nothing fails."""
    script = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    script = script.replace("make setup && . .venv/bin/activate\n", "")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Three programs print to one pipe here: unbuffered, Python would write a line and its end in two pieces.
    environment = {**os.environ, "PATH": path, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": ""}
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "error" not in done.stderr.lower(), done.stderr
        lines = done.stdout.splitlines()
        assert [f"rank {rank} of 2" for rank in range(2)] == sorted(line for line in lines if line.endswith(" of 2"))
        heard = [line for line in lines if " of 3 in round 1 heard: hello from rank " in line]
        assert len(heard) == 3, done.stdout + done.stderr


def test_every_link_of_the_readme_is_absolute() -> None:
    """On a package index there is no tree beside it."""
    assert [] == [link for link in LINKS if not link.startswith("https://")]


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_file_of_this_repository_that_the_readme_links_to_is_there(link: str) -> None:
    """No dead links, and none to another repository than pyproject.toml names."""
    (repository,) = REPOSITORY
    raw = f"{repository.replace('https://github.com/', RAW)}/main/"
    assert link.startswith((f"{repository}/", raw)), link
    path = link.removeprefix(f"{repository}/blob/main/").removeprefix(raw).partition("#")[0]
    if path.startswith("http"):  # a page of the forge, as that of a workflow
        assert link.startswith(f"{repository}/actions/")
    else:
        assert (ROOT / path).exists(), path

"""Every command has a man page that says all that its `--help` says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from rdzv_core._cli.group import command_line
from release.man import commands, pages
from release.projects import ROOT

PAGES = pages()
BY_NAME = {file.stem: text for file, text in PAGES.items()}


def _words(text: str) -> list[str]:
    """Return what is read, without the marks of roff or of help, in words."""
    text = re.sub(r"\\f[BR]|\\&|`", "", text).replace(r"\-", "-").replace(r"\e", "\\")
    return re.sub(r"\.\.\.|…", "", text).split()


def test_the_pages_in_the_tree_are_those_of_the_commands() -> None:
    """After a change of a help text, an option or an exit status: `make man`."""
    for file, text in PAGES.items():
        assert file.exists(), f"{file.relative_to(ROOT)} is missing: run make man"
        assert file.read_text("utf-8") == text, f"{file.relative_to(ROOT)} is out of date: run make man"
    kept = {file for directory in {file.parent for file in PAGES} for file in directory.iterdir()}
    assert kept == set(PAGES), "a page of a command that is gone: run make man"


@pytest.mark.parametrize("name", ["", *commands()])
def test_a_page_says_all_that_help_says(name: str) -> None:
    """Every word of `rdzv COMMAND --help`, in the same order within a paragraph or an option."""
    done = CliRunner().invoke(
        command_line(), [*name.split(), "--help"], terminal_width=10_000, max_content_width=10_000
    )
    assert done.exit_code == 0
    page = " ".join(_words(BY_NAME[f"rdzv-{name}".rstrip("-")]))
    for line in done.output.partition("\nCommands:")[0].splitlines():
        for part in re.split(r"  +", re.sub(r"^(Usage|Options):", "", line)):
            said = " ".join(_words(part)).rstrip(".")
            assert said in page, f"not on the page: {said!r}"


def test_every_command_is_listed_on_the_first_page() -> None:
    """`man rdzv` leads to all others, and they lead back."""
    for name in commands():
        assert f"rdzv-{name}(1)" in "".join(_words(BY_NAME["rdzv"]))
        assert "rdzv(1)" in "".join(_words(BY_NAME[f"rdzv-{name}"]))


def test_the_words_are_compared_without_marks() -> None:
    """The test above would pass nothing by chance: a page lacks what its help does not say."""
    assert _words(r"\fB\-\-nodes MIN\fR \&.x `code` a\eb…") == ["--nodes", "MIN", ".x", "code", "a\\b"]
    assert "--no-such-option" not in BY_NAME["rdzv-run"]


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_a_page_is_set_without_a_warning(file: Path) -> None:
    """What groff does not understand would be missing on the screen."""
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    name = file.stem.replace("-", " ", 1)
    assert name in re.sub(r"\x1b\[\d+m|.\x08", "", done.stdout)

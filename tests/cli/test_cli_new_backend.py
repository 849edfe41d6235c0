"""`rdzv new-backend`: what it writes installs, is found, works, and is certified; what it cannot write it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rdzv_core._cli.new_backend import new_backend

MEET = """
from rdzv_core import RendezvousParameters, create_backend
with_state = create_backend(RendezvousParameters("my-store", "store", "run", 1, 1))
state, token, has_set = with_state.set_state(b"a")
print(has_set, with_state.get_state() == (b"a", token), with_state.set_state(b"b")[2])
with_state.close()
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(new_backend, arguments)


@pytest.fixture
def installed(ask: Callable[..., Result], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A new backend, installed with pip beside what this Python has; runs a module of Python's with it."""
    assert ask("my-store").exit_code == 0
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(site), "./rdzv-my-store"], check=True, timeout=120)

    def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    return run


def test_the_new_backend_is_found_and_works(installed: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """By its entry point, with its option; a write wins, a second one is refused."""
    listed = installed("-m", "rdzv_core", "backends", "my-store")
    assert listed.returncode == 0, listed.stderr
    assert "call_timeout" in listed.stdout
    met = installed("-c", MEET)
    assert met.stdout == "True True False\n", met.stderr


@pytest.mark.cases
def test_the_new_backend_is_certified_by_its_own_tests(
    installed: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """As it was written, without a change."""
    done = installed("-m", "pytest", "-q", "-p", "no:cacheprovider", "rdzv-my-store", timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "certified: core" in done.stdout
    assert "NOT certified" not in done.stdout


def test_it_says_what_it_wrote_and_what_to_do_next(ask: Callable[..., Result], tmp_path: Path) -> None:
    """Under the distribution's name, or where it is told to; every place for the name is filled."""
    said = ask("My-Store".lower())
    assert "pip install rdzv-conformance pytest -e rdzv-my-store" in said.output
    assert ask("my_store", "--directory", "deep/there").exit_code == 0
    for place in (tmp_path / "rdzv-my-store", tmp_path / "deep" / "there"):
        files = [each for each in place.rglob("*") if each.is_file()]
        assert {"pyproject.toml", "py.typed", "conformance.py", "tests.yml"} <= {each.name for each in files}
        assert not any("<<" in each.read_text() for each in files)
    assert "class MyStoreBackend" in (tmp_path / "deep/there/rdzv_my_store/__init__.py").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My Store", "'My Store' is not a name for a backend: use lower-case letters"),
        ("1st", "'1st' is not a name for a backend"),
        ("a--b", "'a--b' is not a name for a backend"),
        ("x" * 41, "40 characters at most"),
        ("../x", "'../x' is not a name for a backend"),
        ("rdzv-mine", "leave out 'rdzv-' of 'rdzv-mine'"),
        ("memory", "'memory' is one of rdzv's own"),
        ("etcd-v2", "'etcd-v2' is one of rdzv's own"),
        ("conformance", "'conformance' is one of rdzv's own"),
        ("sqlite", "'sqlite' is that of an installed backend, of rdzv-sqlite"),
    ],
)
def test_a_name_that_no_new_backend_can_have_is_refused(
    name: str, said: str, ask: Callable[..., Result], tmp_path: Path
) -> None:
    """With the reason, and nothing is written."""
    result = ask(name)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("\n", " ").split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_what_exists_is_not_touched(kind: str, ask: Callable[..., Result], tmp_path: Path) -> None:
    """Whatever it is, and however empty."""
    place = tmp_path / "rdzv-mine"
    if kind == "file":
        place.write_text("mine")
    elif kind == "directory":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    result = ask("mine")
    assert result.exit_code == 2
    assert "rdzv-mine exists already: nothing was written" in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["rdzv-mine"]


def test_a_place_that_cannot_be_written_is_named(ask: Callable[..., Result], tmp_path: Path) -> None:
    """The place, the system's reason, and what to do: no raw error."""
    (tmp_path / "file").write_text("in the way")
    result = ask("mine", "--directory", str(tmp_path / "file" / "mine"))
    assert result.exit_code == 2
    assert f"{tmp_path / 'file' / 'mine'} cannot be written: Not a directory; give another --directory" in result.output

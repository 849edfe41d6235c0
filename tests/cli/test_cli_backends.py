"""`rdzv backends`: what is installed, and whether it can be used, found out without importing it here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rdzv_core import BackendNotFoundError, RendezvousParameters, __version__, abc
from rdzv_core._cli.backends import _CAPABILITIES
from rdzv_core._cli.probe import import_errors
from rdzv_core.registry import BackendInfo, BackendRegistry


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory on the path of this process and of its children, for plugins made by hand."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def _install(directory: Path, name: str, source: str) -> None:
    (directory / f"rdzv_{name}.py").write_text(source)
    metadata = directory / f"rdzv_{name}-2.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rdzv-{name}\nVersion: 2.0\nSummary: For a test\n")
    (metadata / "entry_points.txt").write_text(f"[rdzv_core.backends]\n{name} = rdzv_{name}:create_backend\n")


def _backends(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rdzv_core", "backends", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))


def _listed() -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(_backends("--json").stdout)}


GOOD = """
from rdzv_core import Option, RendezvousBackend, SupportsDelete, accepts_options

class Backend(RendezvousBackend, SupportsDelete):
    "A register."

@accepts_options(
    Option("depth", int, 3, "how deep", positive=True),
    Option("colour", str, "red", "which colour", choices=("red", "blue")),
    Option("key", str, "hidden", "what opens it", secret=True),
)
def create_backend(params) -> Backend:
    raise AssertionError("nothing is created by looking")
"""


def test_the_installed_backends_are_listed_with_their_distributions() -> None:
    """Name, distribution, version and status, in a pipe as plain aligned columns."""
    done = _backends()
    assert done.returncode == 0
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["backend", "distribution", "version", "status"]
    assert ["memory", "rdzv-core", __version__, "ok"] in rows
    assert ["tcp", "rdzv-tcp", __version__, "ok"] in rows


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise ImportError('libthing.so is missing')", "ImportError: libthing.so is missing"),
        ("this is no Python", "SyntaxError"),
        ("value = 1", "create_backend"),
        ("import os; os._exit(3)", "its import ended the process, with status 3"),
        ("import sys; sys.exit('not today')", "not today"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_reason(plugins: Path, source: str, reason: str) -> None:
    """However its import fails, the listing works, and says why for that one alone."""
    _install(plugins, "odd", source)
    listed = _listed()
    assert listed["odd"]["status"] == "broken"
    assert reason in listed["odd"]["reason"]
    assert listed["memory"]["status"] == "ok"


def test_a_plugin_that_prints_when_it_is_imported_is_fine(plugins: Path) -> None:
    """What an import prints is not taken for the answer."""
    _install(plugins, "loud", "import os\nprint('{}')\nos.write(1, b'{}')\ncreate_backend = print")
    assert _listed()["loud"]["status"] == "ok"


def test_a_plugin_whose_import_hangs_is_broken(plugins: Path) -> None:
    """It is given up after a time, and its process ended."""
    _install(plugins, "slow", "import threading; threading.Event().wait()")
    (info,) = (each for each in BackendRegistry().list() if each.name == "slow")
    began = time.monotonic()
    assert import_errors([info], timeout=2) == ["its import did not end within 2 s"]
    assert time.monotonic() - began < 30


def test_listing_imports_no_plugin_in_this_process(plugins: Path) -> None:
    """Not even a good one."""
    _install(plugins, "fine", "create_backend = print")
    (info,) = (each for each in BackendRegistry().list() if each.name == "fine")
    assert import_errors([info]) == [None]
    assert "rdzv_fine" not in sys.modules


def test_a_name_that_two_distributions_claim_is_tried_for_each(plugins: Path) -> None:
    """Neither is confused with the other."""
    _install(plugins, "one", "raise ImportError('one is broken')")
    _install(plugins, "two", "create_backend = print")
    for name in ("one", "two"):
        (plugins / f"rdzv_{name}-2.0.dist-info" / "entry_points.txt").write_text(
            f"[rdzv_core.backends]\nshared = rdzv_{name}:create_backend\n"
        )
    infos = [each for each in BackendRegistry().list() if each.name == "shared"]
    assert [info.distribution for info in infos] == ["rdzv-one", "rdzv-two"]
    assert import_errors(infos) == ["ImportError: one is broken", None]


def test_one_backend_is_shown_with_its_options(plugins: Path) -> None:
    """Capabilities and options, with types, defaults and help; a secret's default is not shown."""
    _install(plugins, "good", GOOD)
    shown = _backends("good").stdout
    assert "good (rdzv-good 2.0, rdzv_good:create_backend)\nFor a test\nCapabilities of its own: delete\n" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["depth", "int", "3", "how", "deep"] in lines
    assert ["colour", "red|blue", "red", "which", "colour"] in lines
    assert ["key", "str", "-", "what", "opens", "it"] in lines
    assert "join_timeout" in shown


def test_no_capability_of_the_contract_is_left_out() -> None:
    """Whatever a backend may inherit beside the register has a name here."""
    there = {getattr(abc, name) for name in dir(abc) if name.startswith("Supports")}
    assert set(_CAPABILITIES.values()) == there


def test_one_backend_is_shown_as_json(plugins: Path) -> None:
    """The same, for machines."""
    _install(plugins, "good", GOOD)
    about = json.loads(_backends("good", "--json").stdout)
    assert (about["name"], about["distribution"], about["capabilities"]) == ("good", "rdzv-good", ["delete"])
    assert [option["name"] for option in about["options"]] == ["depth", "colour", "key", "key_file"]
    assert about["options"][2]["default"] is None


def test_an_unknown_backend_names_the_near_match() -> None:
    """One line, status 2."""
    done = _backends("memmory")
    assert done.returncode == 2
    assert "did you mean 'memory'?" in done.stderr


def test_a_backend_of_an_unknown_distribution_is_tried_by_its_name() -> None:
    """What was registered without a distribution has no other."""
    info = BackendInfo("memory", "(unknown distribution)", "", "rdzv_core.memory:MemoryBackend")
    assert import_errors([info]) == [None]


def test_a_plugin_without_a_summary_is_described_by_its_class(plugins: Path) -> None:
    """An author need not write a description: the class's docstring stands in."""
    _install(plugins, "plain", GOOD)
    metadata = plugins / "rdzv_plain-2.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Summary: For a test\n", ""))
    done = _backends("plain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "A register."


def test_an_alias_is_explained_and_shown_as_what_it_stands_for() -> None:
    """`rdzv backends c10d` says whose name it is, and shows tcp; so it does for etcd-v2."""
    done = _backends("c10d")
    assert done.returncode == 0, done.stderr
    first, _, second, *_ = done.stdout.splitlines()
    assert first == "c10d is PyTorch's name for tcp, and with the option store_type=file for file."
    assert second.startswith("tcp (rdzv-tcp ")
    about = json.loads(_backends("Etcd_V2", "--json").stdout)
    assert (about["name"], about["alias"].partition(" ")[0]) == ("etcd", "etcd-v2")


def test_an_alias_of_what_is_not_installed_says_what_to_install() -> None:
    """It is never its own near match."""
    registry = BackendRegistry(list)
    with pytest.raises(BackendNotFoundError, match=r"no backend 'tcp' .*c10d is PyTorch's.*pip install rdzv-tcp"):
        registry.load("c10d")
    with pytest.raises(BackendNotFoundError, match=r"no backend 'tcp' .*c10d is PyTorch's.*pip install rdzv-tcp"):
        registry.create(RendezvousParameters("c10d", "", "run", 1, 1))


def test_a_distribution_is_named_as_loosely_as_a_backend(plugins: Path) -> None:
    """`Rdzv_Good:good` is what `create_backend` takes, so it is what is shown."""
    _install(plugins, "good", GOOD)
    assert _backends("Rdzv_Good:good").stdout.startswith("good (rdzv-good 2.0")


def test_how_to_give_a_secret_is_shown(plugins: Path) -> None:
    """The file and the variable of it, for a backend that knows of neither."""
    _install(plugins, "good", GOOD)
    shown = " ".join(_backends("good").stdout.split())
    assert "key_file str - a file that holds key instead" in shown
    assert "Secret: key. Any user can read a command line with ps: give key_file=PATH, or RDZV_OPTION_KEY." in shown


CHECKED = """
from rdzv_core import RendezvousBackend
from rdzv_core.checking import Finding, offers_check

def check(endpoints):
    yield Finding("is named once", len(endpoints) == 1, " and ".join(endpoints))
    yield Finding("is good", endpoints[0] == "good", "it is what it is")

@offers_check(check)
def create_backend(params) -> RendezvousBackend:
    raise AssertionError("nothing is created by a check")
"""


def test_a_backends_own_check_is_shown_with_a_verdict_and_an_exit_status(plugins: Path) -> None:
    """0 where the store is fit, 1 where it is not; --json for machines."""
    _install(plugins, "checked", CHECKED)
    good = _backends("checked", "--check", "good")
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "checked at good")
    assert good.stdout.splitlines()[-1] == "verdict: fit: all tests passed"
    bad = _backends("checked", "--check", "bad", "--check", "worse")
    assert bad.returncode == 1
    assert [line.split()[:4] for line in bad.stdout.splitlines()[2:4]] == [
        ["is", "named", "once", "failed"],
        ["is", "good", "failed", "it"],
    ]
    assert bad.stdout.splitlines()[-1] == "verdict: not fit: 2 of 2 tests failed"
    told = json.loads(_backends("checked", "--check", "bad", "--json").stdout)
    assert told == {
        "name": "checked",
        "endpoints": ["bad"],
        "fit": False,
        "tests": [
            {"test": "is named once", "passed": True, "detail": "bad"},
            {"test": "is good", "passed": False, "detail": "it is what it is"},
        ],
    }


def test_a_backend_without_a_check_says_so_and_a_check_needs_a_backend() -> None:
    """Bad usage, told in one line."""
    none = _backends("memory", "--check", "x")
    assert (none.returncode, "offers no check" in none.stderr) == (2, True)
    nameless = _backends("--check", "x")
    assert (nameless.returncode, "--check needs the NAME of a backend" in nameless.stderr) == (2, True)

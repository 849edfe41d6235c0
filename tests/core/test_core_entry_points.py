"""What is installed, on a path as it is found in practice: torn, left over, twice, in a zip, not there."""

from __future__ import annotations

import os
import signal
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import importlib_metadata
import pytest

from rdzv_core import BackendNotFoundError, BackendRegistry
from rdzv_core.hooks import Hooks
from rdzv_core.registry import entry_points
from rdzv_core.registry._entry_points import EntryPoints, _of_this_process

GROUP = "rdzv_core.backends"
POINTS = f"[{GROUP}]\nmine = rdzv_out_mine:Store\n"


class Site:
    """A directory on `sys.path`, into which distributions are written by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, points: str | bytes = POINTS, folder: str = "", version: str = "1.0") -> Path:
        info = self.folder / (folder or f"{name.replace('-', '_')}-{version}.dist-info")
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: other\n")
        (info / "entry_points.txt").write_bytes(points if isinstance(points, bytes) else points.encode())
        return info

    def found(self) -> list[tuple[str, str, str]]:
        infos = [info for info in BackendRegistry().list() if info.name == "mine"]
        return [(info.distribution, info.version, info.target) for info in infos]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty directory at the front of the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return Site(tmp_path)


ONE = [("rdzv-out-mine", "1.0", "rdzv_out_mine:Store")]

TORN = {
    "bytes that are not UTF-8": b"[console_scripts]\ncaf\xe9 = a:b\n",
    "a line before any section": b"torn\n[rdzv_core.backends]\n",
    "a line that is no pair": b"[rdzv_core.plugins]\ntorn\n",
    "NUL": b"\0\n",
}


@pytest.mark.parametrize("points", TORN.values(), ids=TORN)
@pytest.mark.parametrize(
    "group", [GROUP, "rdzv_core.plugins", "rdzv_core.commands", "rdzv_conformance.helpers"], ids=lambda group: group
)
def test_torn_entry_points_of_a_stranger_harm_nobody(group: str, points: bytes, path: Site) -> None:
    """Backends, plugins, commands and helpers are all found by the one reader, beside what cannot be read."""
    path.install("stranger", points)
    path.install("rdzv-out-mine", f"[{group}]\nmine = rdzv_out_mine:Store\n")
    assert "mine" in [point.name for point in entry_points(group)]


def test_plugins_are_loaded_beside_torn_entry_points(path: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The hooks, which `create_backend` and `create_handler` begin with, are there whatever a stranger's files hold."""
    path.install("stranger", TORN["bytes that are not UTF-8"])
    Hooks()
    assert not caplog.records


def test_a_backend_that_is_not_found_names_what_could_not_be_read(path: Site) -> None:
    """Its distribution may be the one that was left out."""
    path.install("stranger", TORN["bytes that are not UTF-8"])
    with pytest.raises(
        BackendNotFoundError, match=r"left out, as they cannot be read: .*stranger-1.0.dist-info \(Unico"
    ):
        BackendRegistry().load("mine")


def test_odd_entries_of_the_path_are_passed_over(path: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is not there, a file, a NUL, and what is not text at all."""
    path.install("rdzv-out-mine")
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setattr(sys, "path", ["/no/such", str(tmp_path / "file"), "a\0b", b"bytes", None, *sys.path])
    assert path.found() == ONE


def test_odd_metadata_directories_are_passed_over(path: Site) -> None:
    """One that is a file, one that is a broken link, and one whose files are directories."""
    path.install("rdzv-out-mine")
    (path.folder / "a-1.0.dist-info").write_text(POINTS)
    (path.folder / "b-1.0.dist-info").symlink_to(path.folder / "nowhere")
    (path.folder / "c-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)
    (path.folder / "d-1.0.egg-info").write_text("Name: d\n")
    assert path.found() == ONE


def test_a_finder_that_fails_hides_no_distribution(path: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's import hook may list distributions of its own, and fail."""

    class Finder:
        @staticmethod
        def find_distributions(context: object) -> Iterator[object]:
            raise RuntimeError("not today")

        @staticmethod
        def find_spec(*_: object) -> None:
            return None

    path.install("rdzv-out-mine")
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert path.found() == ONE


@pytest.mark.parametrize("folder", ["rdzv_out_mine-0.0.9.dist-info", "rdzv_out_mine-2.0.dist-info"])
@pytest.mark.parametrize("files", [(), ("INSTALLER",), ("METADATA",), ("entry_points.txt",)], ids=str)
def test_what_is_left_of_another_version_hides_nothing(folder: str, files: tuple[str, ...], path: Site) -> None:
    """A directory without metadata is not a distribution, whatever version its name says."""
    path.install("rdzv-out-mine")
    (path.folder / folder).mkdir()
    for file in files:
        (path.folder / folder / file).write_text(POINTS if file == "entry_points.txt" else "")
    assert path.found() == ONE
    points = [point for point in entry_points(GROUP) if point.name == "mine"]
    assert [point.value for point in points] == ["rdzv_out_mine:Store"]


@pytest.mark.parametrize("version", ["0.0.9", "2.0"])
def test_what_pip_renamed_is_not_there(version: str, path: Site) -> None:
    """pip renames what it replaces to begin with `~`, and leaves it there when it is interrupted."""
    path.install("rdzv-out-mine")
    path.install("rdzv-out-mine", f"[{GROUP}]\nmine = other:Store\n", f"~dzv_out_mine-{version}.dist-info", version)
    assert path.found() == ONE


def test_of_two_versions_in_one_directory_the_newer_counts(path: Site) -> None:
    """What pip could not remove is the older one: no matter what it names, its files are the newer one's."""
    path.install("rdzv-out-mine", f"[{GROUP}]\nmine = other:Store\n", version="0.9")
    path.install("rdzv-out-mine", version="0.10")
    assert path.found() == [("rdzv-out-mine", "0.10", "rdzv_out_mine:Store")]


def test_an_editable_install_beside_a_wheel_is_what_is_imported(path: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An egg-link puts a source tree on the path: the first on the path counts, as in an import."""
    wheel, source = path.folder / "site", path.folder / "source"
    for folder in (wheel, source):
        folder.mkdir()
    Site(wheel).install("rdzv-out-mine", version="2.0")
    egg = source / "rdzv_out_mine.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: rdzv_out_mine\nVersion: 1.0\n")
    (egg / "entry_points.txt").write_text(f"[{GROUP}]\nmine = source:Store\n")
    monkeypatch.setattr(sys, "path", [str(source), str(wheel), *sys.path])
    assert path.found() == [("rdzv_out_mine", "1.0", "source:Store")]
    monkeypatch.setattr(sys, "path", [str(wheel), str(source), *sys.path])
    assert path.found() == [("rdzv-out-mine", "2.0", "rdzv_out_mine:Store")]


def test_a_distribution_in_a_zip_on_the_path_is_found(path: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are one in an egg, and a zip that is none is passed over."""
    archive, egg = path.folder / "site.zip", path.folder / "rdzv_out_egg-1.0-py3.egg"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("rdzv_out_mine-1.0.dist-info/METADATA", "Name: rdzv-out-mine\nVersion: 1.0\n")
        file.writestr("rdzv_out_mine-1.0.dist-info/entry_points.txt", POINTS)
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: rdzv-out-egg\nVersion: 1.0\n")
    (egg / "EGG-INFO" / "entry_points.txt").write_text(f"[{GROUP}]\negged = x:y\n")
    (path.folder / "torn.zip").write_bytes(b"PK\3\4 and no more")
    monkeypatch.setattr(sys, "path", [str(path.folder / "torn.zip"), str(archive), str(egg), *sys.path])
    assert path.found() == ONE
    assert "rdzv-out-egg" in [info.distribution for info in BackendRegistry().list()]


def test_the_path_is_read_once(path: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not change for two seconds is not listed again; `create_backend` looks several times."""
    path.install("rdzv-out-mine")
    long_ago = time.time() - 3600
    os.utime(path.folder, (long_ago, long_ago))
    monkeypatch.setattr(sys, "path", [str(path.folder)])
    reader = EntryPoints()
    first = reader.of(GROUP)

    def forbidden(*_: object, **__: object) -> None:
        pytest.fail("the path was read again")

    monkeypatch.setattr(importlib_metadata.MetadataPathFinder, "find_distributions", forbidden)
    assert reader.of(GROUP) == first
    assert [point.name for point in first] == ["mine"]


def test_what_is_installed_or_removed_later_is_seen(path: Site, tmp_path: Path) -> None:
    """At once: also within the time in which a directory's time of modification may not move."""
    assert path.found() == []
    for _ in range(20):
        info = path.install("rdzv-out-mine")
        assert path.found() == ONE
        for file in info.iterdir():
            file.unlink()
        info.rmdir()
        assert path.found() == []


def test_a_change_of_the_path_is_seen(path: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that are put on it and taken off, and the working directory where the path names it as ''."""
    path.install("rdzv-out-mine")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(path.folder))])
    assert path.found() == []
    sys.path.append(str(path.folder))
    assert path.found() == ONE
    sys.path.pop()
    assert path.found() == []
    sys.path.insert(0, "")
    assert path.found() == []
    monkeypatch.chdir(path.folder)
    assert path.found() == ONE


def test_a_forked_child_finds_what_is_installed(path: Site) -> None:
    """Also if another thread was reading the path at that moment."""
    path.install("rdzv-out-mine")
    with _of_this_process._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # it would wait for ever
            os._exit(0 if path.found() == ONE else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

"""An outsider's backend: built, installed with pip beside core and suite, met on, and certified.

Everything here runs from an empty directory in a virtual environment that knows nothing of this tree.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

MEET = """
import json, sys
from rdzv_core import RendezvousParameters, create_handler

endpoint, address = sys.argv[1:]
params = RendezvousParameters("sqlite", endpoint, "out-of-tree", 3, 3, local_addr=address, join_timeout=60)
with create_handler(params) as handler:
    info = handler.next_rendezvous()
    info.store.set(f"met-{info.rank}", address.encode())
    met = [info.store.get(f"met-{rank}", timeout=60).decode() for rank in range(info.world_size)]
    print(json.dumps({"rank": info.rank, "size": info.world_size, "peers": info.peers, "met": met}))
    handler.finish()
"""


class Environment:
    """A virtual environment with core, suite and the outsider's backend; its commands run in an empty directory."""

    def __init__(self, home: Path, cwd: Path) -> None:
        self.bin, self.cwd = home / "bin", cwd
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
        }

    def run(self, program: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def site_packages(self) -> Path:
        return Path(self.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())


@pytest.fixture(scope="session")
def environment(built: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the environment, made once."""
    home, cwd = tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    made = Environment(home, cwd)
    wheels = [
        f"rdzv-core[cli] @ {built['rdzv-core'].wheel.as_uri()}",
        *(f"{name} @ {built[name].wheel.as_uri()}" for name in ("rdzv-conformance", "rdzv-sqlite")),
    ]
    done = made.run("python", "-m", "pip", "install", "--disable-pip-version-check", *wheels, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return made


@pytest.fixture
def broken_plugin(environment: Environment) -> Iterator[None]:
    """A distribution whose backend cannot be imported, installed by hand for one test."""
    site = environment.site_packages()
    module, metadata = site / "rdzv_broken.py", site / "rdzv_broken-1.5.dist-info"
    module.write_text("raise ImportError('libbroken.so.3 is missing')\n")
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: rdzv-broken\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[rdzv_core.backends]\nbroken = rdzv_broken:create_backend\n")
    yield
    module.unlink()
    shutil.rmtree(metadata)


def test_an_installed_backend_is_listed(environment: Environment) -> None:
    """The wheel's entry point is enough: `rdzv backends` names it, its distribution and its version."""
    listed = {each["name"]: each for each in json.loads(environment.run("rdzv", "backends", "--json").stdout)}
    assert set(listed) == {"memory", "sqlite"}
    assert (listed["sqlite"]["distribution"], listed["sqlite"]["status"]) == ("rdzv-sqlite", "ok")


def test_three_processes_meet_on_an_outsiders_backend(environment: Environment, tmp_path: Path) -> None:
    """Selected by name, from wheels, in processes of their own: one roster, ranks without gap, a store in common."""
    endpoint = str(tmp_path / "meet.db")
    nodes = [
        subprocess.Popen(
            [str(environment.bin / "python"), "-c", MEET, endpoint, f"node-{number}"],
            cwd=environment.cwd,
            env=environment.variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    outputs = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0, 0]
    met = sorted((json.loads(output) for output in outputs), key=lambda each: each["rank"])
    assert [each["rank"] for each in met] == [0, 1, 2]
    assert sorted(met[0]["peers"]) == ["node-0", "node-1", "node-2"]
    assert all(each["peers"] == each["met"] == met[0]["peers"] and each["size"] == 3 for each in met)


def test_rdzv_run_works_on_an_outsiders_backend(environment: Environment, tmp_path: Path) -> None:
    """The command line needs no more than the name."""
    endpoint = str(tmp_path / "run.db")
    where = ["--backend", "sqlite", "--endpoint", endpoint, "--run-id", "job", "--nodes", "1"]
    done = environment.run("rdzv", "run", *where, "--", "sh", "-c", "echo $RANK of $WORLD_SIZE")
    assert (done.returncode, done.stdout) == (0, "0 of 1\n"), done.stderr


def test_rdzv_certify_certifies_it(environment: Environment, tmp_path: Path) -> None:
    """Without a line of test code: exit status 0, and a verdict."""
    done = environment.run(
        "rdzv", "certify", "sqlite", "--profile", "core", "--endpoint", str(tmp_path / "certify.db"), timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "fail" not in done.stdout


@pytest.mark.cases  # a whole run of the suite once more
def test_its_own_pytest_class_certifies_it(environment: Environment, tmp_path: Path) -> None:
    """The example's test class, copied out of the tree, passes in the clean environment."""
    shutil.copytree(ROOT / "examples" / "rdzv-sqlite" / "tests", tmp_path / "tests")
    done = environment.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests"), timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout


def test_a_backend_that_is_not_installed_names_the_pip_install(environment: Environment) -> None:
    """etcd, without its plugin: one line that ends the search."""
    where = ["--backend", "etcd", "--endpoint", "localhost", "--run-id", "job", "--nodes", "1"]
    done = environment.run("rdzv", "run", *where, "true")
    assert done.returncode == 2
    assert "pip install rdzv-etcd" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_broken_plugin_shows_as_broken_and_harms_no_other(
    environment: Environment, broken_plugin: None, tmp_path: Path
) -> None:
    """Its reason is listed, selecting it says the same, and the others go on working."""
    listed = {each["name"]: each for each in json.loads(environment.run("rdzv", "backends", "--json").stdout)}
    assert (listed["broken"]["status"], listed["broken"]["distribution"]) == ("broken", "rdzv-broken")
    assert listed["broken"]["reason"] == "ImportError: libbroken.so.3 is missing"
    assert {name for name, each in listed.items() if each["status"] == "ok"} == {"memory", "sqlite"}

    selected = environment.run("rdzv", "backends", "broken")
    assert selected.returncode == 1
    assert "rdzv-broken 1.5" in selected.stderr
    assert "libbroken.so.3 is missing" in selected.stderr

    where = ["--endpoint", str(tmp_path / "run.db"), "--run-id", "job", "--nodes", "1"]
    assert environment.run("rdzv", "run", "--backend", "sqlite", *where, "true").returncode == 0

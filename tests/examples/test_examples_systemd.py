"""`examples/systemd`: systemd understands the units, and what they start forms a job."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDER = EXAMPLES / "systemd"
UNITS = ["rdzv-node@.service", "rdzv-store.service"]


def settings(unit: str) -> list[tuple[str, str]]:
    """Return the unit's settings in their order; some, like Environment, are given several times."""
    lines = (FOLDER / unit).read_text("utf-8").splitlines()
    return [
        (name, value) for name, equals, value in (line.partition("=") for line in lines) if equals and name[0] != "#"
    ]


def setting(unit: str, name: str) -> str:
    (only,) = (value for called, value in settings(unit) if called == name)
    return only


def expanded(text: str, specifiers: Mapping[str, str]) -> str:
    return re.sub("%(.)", lambda found: specifiers[found[1]], text)


def started(unit: str, specifiers: Mapping[str, str], places: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a unit as systemd would start it, with directories replaced."""
    environment = dict(
        assignment(line) for line in (FOLDER / "node.env").read_text("utf-8").splitlines() if line[0] != "#"
    )
    environment |= dict(assignment(value) for name, value in settings(unit) if name == "Environment")
    if not any(name == "EnvironmentFile" for name, _ in settings(unit)):
        environment = {}
    here = {name: expanded(value, specifiers) for name, value in environment.items()}
    command = expanded(setting(unit, "ExecStart"), specifiers)
    for place, instead in places.items():
        command = command.replace(place, instead)
        here = {name: value.replace(place, instead) for name, value in here.items()}
    return shlex.split(command), here


def assignment(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """No unknown setting and no bad value, with the programs at their places."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    for unit in UNITS:
        text = (FOLDER / unit).read_text("utf-8").replace("/opt/rdzv/bin", str(Path(sys.executable).parent))
        (tmp_path / unit).write_text(text)
    verify = [analyze, "verify", "--man=no", tmp_path / "rdzv-node@train-1.service", tmp_path / "rdzv-store.service"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert (0, []) == (done.returncode, [line for line in said.splitlines() if "rdzv-" in line]), said


def test_a_unit_stops_later_than_its_node(accepted: Callable[..., dict[str, Any]]) -> None:
    """TimeoutStopSec covers the grace period and the 3 s in which a node tells the others."""
    command, environment = started("rdzv-node@.service", dict.fromkeys("diH", "x"), {"/opt/rdzv/bin/": ""})
    assert accepted(command, environment)["grace_period"] is None  # and so it is the fence delay, 5 s
    assert int(setting("rdzv-node@.service", "TimeoutStopSec")) > 5 + 3


def test_the_readme_installs_what_the_units_use() -> None:
    """Its commands put every file where a unit looks for it."""
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert {"examples/count.py", "examples/fenced_checkpoint.py"} <= set(readme.split())
    for source in re.findall(r"examples/[\w./*-]+", readme):
        assert list(EXAMPLES.parent.glob(source)), source
    used = " ".join(value for unit in UNITS for _, value in settings(unit))
    for place in ("/opt/rdzv/bin", "/opt/rdzv/job", "/etc/rdzv", "/srv/rdzv"):
        assert place in used
        assert place in readme
    assert "useradd --system rdzv" in readme
    assert "rdzv" == setting("rdzv-node@.service", "User")


def test_the_units_do_the_job(
    start: Callable[..., Any], accepted: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Their command lines, run here with directories replaced: each node ends with status 0."""
    checkpoints, secret = tmp_path / "checkpoints", tmp_path / "credentials"
    checkpoints.mkdir()
    secret.mkdir()
    (secret / "token").write_text("d4f1\n")
    endpoint = f"127.0.0.1:{free_port()}"
    places = {
        "/opt/rdzv/bin/": "",
        "/opt/rdzv/job": str(EXAMPLES),
        "/srv/rdzv": str(checkpoints),
        "0.0.0.0:29400": endpoint,
        "10.0.0.1:29400": endpoint,
    }
    specifiers = {"S": str(tmp_path), "d": str(secret), "i": "train-1"}
    (tmp_path / "rdzv").mkdir()  # as StateDirectory= does
    serve, _ = started("rdzv-store.service", specifiers, places)
    accepted(serve, {})
    start(*serve).says(rf"^{re.escape(endpoint)}$")
    nodes = []
    for number in range(4):
        command, environment = started("rdzv-node@.service", {**specifiers, "H": f"machine-{number}"}, places)
        accepted(command, environment)
        nodes.append(start(*command, "--steps", "20", **environment))
    assert [0] * 4 == [each.ends() for each in nodes], "\n".join(each.said() for each in nodes)
    assert '{"step": 20}' == (checkpoints / "train-1.json").read_text()
    assert "machine-0" in nodes[0].said()

"""What `--json` prints is what the schemas of docs/reference/schemas say, key by key, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS

jsonschema = pytest.importorskip("jsonschema")

SCHEMAS = DOCS / "reference/schemas"
Rdzv = Callable[..., str]


def _strict(schema: Any) -> Any:
    """Return a schema that allows no further keys, as ours do to let a later version add some."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return {**closed, **{key: _strict(value) for key, value in schema.items()}}


def _check(name: str, value: Any) -> None:
    schema = _strict(json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8")))
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.fixture
def rdzv(tmp_path: Path) -> Rdzv:
    """Return what runs `rdzv` in a folder of its own, and returns what it printed."""

    def run(*arguments: str, status: int = 0) -> str:
        command = [str(Path(sys.executable).with_name("rdzv")), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert status == done.returncode, done.stderr
        return done.stdout

    return run


RUN = ("--backend", "file", "--endpoint", "store", "--run-id", "job")


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.name)
def test_a_schema_is_one(path: Path) -> None:
    """It is valid itself, and is linked from the page."""
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))
    assert f"(schemas/{path.name})" in (DOCS / "reference/json.md").read_text("utf-8")


def test_a_run_that_finished(rdzv: Rdzv) -> None:
    """Status, explain, a watch that ends with it, and the list of runs."""
    rdzv("run", *RUN, "--nodes", "1", "--", "true")
    for command in ("status", "explain"):
        found = json.loads(rdzv(command, *RUN, "--json"))
        _check("run", found)
        assert "finished" == found["phase"]
    for line in rdzv("status", *RUN, "--watch", "--json").splitlines():
        _check("run", json.loads(line))
    _check("runs", json.loads(rdzv("runs", *RUN[:4], "--json")))


def test_a_run_at_work_with_a_node_that_stands_by_and_a_failure(rdzv: Rdzv, tmp_path: Path) -> None:
    """Roster, waiting nodes and the first failure are there, and have the form that the schema says."""
    started = tmp_path / "started"
    first = f"echo oops >&2; test -e {started} || {{ touch {started}; exit 3; }}; touch {started}.2; sleep 60"
    node = [str(Path(sys.executable).with_name("rdzv")), "run", *RUN, "--nodes", "1"]
    with (tmp_path / "stderr").open("w") as stderr:
        nodes = [subprocess.Popen([*node, "--max-restarts", "1", "--", "sh", "-c", first], cwd=tmp_path, stderr=stderr)]
        try:
            found: dict[str, Any] = {"waiting": []}
            while not found["waiting"]:
                if len(nodes) == 1 and Path(f"{started}.2").exists():
                    nodes.append(subprocess.Popen([*node, "--", "true"], cwd=tmp_path, stderr=stderr))
                if (tmp_path / "store").exists():
                    done = subprocess.run([*node[:1], "status", *RUN, "--json"], cwd=tmp_path, capture_output=True)
                    found = json.loads(done.stdout or '{"waiting": []}')
                assert all(each.poll() is None for each in nodes)
        finally:
            for each in nodes:
                each.kill()
                each.wait()
    _check("run", found)
    assert "working" == found["phase"]
    assert ["standing by"] == [each["state"] for each in found["waiting"]]
    assert 3 == found["first_failure"]["status"]


def test_no_such_run(rdzv: Rdzv) -> None:
    """The same form, with nothing in it."""
    rdzv("run", *RUN, "--nodes", "1", "--", "true")
    found = json.loads(rdzv("status", *RUN[:5], "jobs", "--json", status=1))
    _check("run", found)
    assert ["job"] == found["similar"]


def test_the_backends(rdzv: Rdzv, tmp_path: Path) -> None:
    """All of them, one of them, an alias, and a check."""
    _check("backends", json.loads(rdzv("backends", "--json")))
    for name in ("tcp", "file", "etcd", "memory", "sqlite", "c10d"):
        _check("backend", json.loads(rdzv("backends", name, "--json")))
    _check("check", json.loads(rdzv("backends", "file", "--check", str(tmp_path), "--json")))


def test_events(rdzv: Rdzv, tmp_path: Path) -> None:
    """Every line of the file has one of the forms."""
    rdzv("run", *RUN, "--nodes", "1", "--events", "events.jsonl", "--max-restarts", "1", "--", "false", status=1)
    alone = ("--run-id", "late", "--nodes", "2", "--option", "join_timeout=1")
    rdzv("run", *RUN[:4], *alone, "--events", "events.jsonl", "--", "true", status=1)
    lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        _check("event", json.loads(line))
    seen = {json.loads(line)["event"] for line in lines}
    assert {"joining", "entered", "joined", "joining_failed", "command_started", "command_ended", "departed"} <= seen

"""`examples/compose` and the image: what they name is there, and what they start forms a job."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
STORE, NODE = COMPOSE["services"]["store"], COMPOSE["services"]["node"]
DOCKERFILE = [line for line in (ROOT / "examples" / "Dockerfile").read_text("utf-8").splitlines() if line[:1] != "#"]


def variables(chosen: str | None = None) -> dict[str, str]:
    """Return a node's environment, with ${NAME:-default} replaced as Compose does."""
    given = NODE["environment"].items()
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", chosen or r"\1", value) for name, value in given}


def test_the_nodes_find_the_store(accepted: Callable[..., dict[str, Any]]) -> None:
    """By the service's name, at the port that it serves, and as many as the run has places."""
    serve = accepted(STORE["command"], {})
    host, _, port = variables()["RDZV_ENDPOINT"].partition(":")
    assert COMPOSE["services"][host] is STORE
    assert f"0.0.0.0:{port}" == serve["endpoint"]
    assert NODE["deploy"]["replicas"] == accepted(NODE["command"], variables())["nodes"][1]
    assert NODE["image"] == STORE["image"]


def test_every_volume_is_declared() -> None:
    """And every service keeps its data in one."""
    mounted = {service: each["volumes"][0].partition(":") for service, each in COMPOSE["services"].items()}
    assert COMPOSE["volumes"].keys() == {volume for volume, _, _ in mounted.values()}
    for service, (_, _, place) in mounted.items():
        assert any(word.startswith(place) for word in COMPOSE["services"][service]["command"])


def test_a_run_id_can_be_chosen() -> None:
    """RUN_ID, which the README names."""
    assert ["train-1", "train-2"] == [variables()["RDZV_RUN_ID"], variables("train-2")["RDZV_RUN_ID"]]
    assert "RUN_ID=train-2 docker compose up" in (FOLDER / "README.md").read_text("utf-8")


def test_the_image_holds_what_the_recipes_use() -> None:
    """What is copied exists, all that is installed was copied, and the job is in the working directory."""
    build = STORE["build"]
    assert ROOT == (FOLDER / build["context"]).resolve()
    assert (ROOT / build["dockerfile"]).is_file()
    copied: dict[str, str] = {}
    for line in DOCKERFILE:
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            copied |= dict.fromkeys(sources, target)
    assert [] == [source for source in copied if not (ROOT / source).exists()]
    assert {"/job/"} == {copied["examples/count.py"], copied["examples/fenced_checkpoint.py"]}
    assert "WORKDIR /job" in DOCKERFILE
    (install,) = (shlex.split(line.partition("&&")[0]) for line in DOCKERFILE if line.startswith("RUN pip install"))
    assert {"/src[cli]", "/src/plugins/tcp", "/src/plugins/etcd"} == {word for word in install if word[:1] == "/"}
    assert {"rdzv_core", "plugins", "pyproject.toml", "README.md", "LICENSE"} <= copied.keys()


def test_the_services_do_the_job(
    start: Callable[..., Any],
    accepted: Callable[..., Any],
    free_port: Callable[[], int],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Their commands, run here with names and directories replaced; the store's health check passes."""
    port, checkpoints = free_port(), tmp_path / "checkpoints"
    checkpoints.mkdir()

    def here(words: list[str]) -> list[str]:
        places = {"0.0.0.0:29400": f"127.0.0.1:{port}", "127.0.0.1:29400": f"127.0.0.1:{port}"}
        places |= {"store:29400": f"127.0.0.1:{port}", "/data": str(tmp_path), "/checkpoints": str(checkpoints)}
        for place, instead in places.items():
            words = [word.replace(place, instead) for word in words]
        return words

    start(*here(STORE["command"])).says(rf"^127\.0\.0\.1:{port}$")
    kind, *check = STORE["healthcheck"]["test"]
    accepted(check, {})
    assert "CMD" == kind
    subprocess.run(here(check), env=environment, check=True, timeout=60)
    told = dict(zip(variables(), here(list(variables().values())), strict=True))
    command = [*here(NODE["command"]), "--steps", "20"]
    nodes = [start(*command, cwd=ROOT / "examples", **told) for _ in range(3)]
    assert [0] * 3 == [each.ends() for each in nodes], "\n".join(each.said() for each in nodes)
    assert '{"step": 20}' == (checkpoints / "train-1.json").read_text()

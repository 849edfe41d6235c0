"""`examples/kubernetes`: the manifests keep Kubernetes' schemas, fit together, and what they start forms a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDER = EXAMPLES / "kubernetes"
STORES = ["tcp", "etcd"]
VERSIONS = ["1.31", "1.33"]

Manifest = dict[str, Any]


def manifests(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def of_kind(kind: str, name: str) -> Manifest:
    (found,) = (each for each in manifests(name) if each["kind"] == kind)
    return found


def container(owner: Manifest) -> Manifest:
    (only,) = owner["spec"]["template"]["spec"]["containers"]
    return dict(only)


def words(of: Manifest, variables: Mapping[str, str]) -> list[str]:
    """Return what the container runs, with $(VARIABLE) replaced as Kubernetes does."""
    given = [*of["command"], *of.get("args", [])]
    return [re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], word) for word in given]


def variables(of: Manifest, fields: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    """Return the container's environment in a pod with these fields."""
    own = {each["name"]: fields[each["valueFrom"]["fieldRef"]["fieldPath"]] for each in of.get("env", [])}
    return {**(config if "envFrom" in of else {}), **own}


def pod_of_job(index: int) -> dict[str, str]:
    return {
        "metadata.labels['batch.kubernetes.io/controller-uid']": "6f0c1b52",
        "metadata.labels['batch.kubernetes.io/job-completion-index']": str(index),
    }


def node(store: str, index: int) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of one of the job's pods."""
    of = container(of_kind("Job", "job.yaml"))
    environment = variables(of, pod_of_job(index), of_kind("ConfigMap", f"store-{store}.yaml")["data"])
    return words(of, environment), environment


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_a_manifest_keeps_its_schema(path: Path, version: str) -> None:
    """No misspelled or missing field, by the schemas of the Kubernetes versions that it is for."""
    for manifest in manifests(path.name):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_reached_by_the_name_and_port_that_it_has(store: str) -> None:
    """The endpoint's hosts are the headless service or pods of it, and the port is the service's and the pod's."""
    name = f"store-{store}.yaml"
    service, pods = of_kind("Service", name), of_kind("StatefulSet", name)
    assert "None" == service["spec"]["clusterIP"]
    assert service["metadata"]["name"] == pods["spec"]["serviceName"]
    assert service["spec"]["selector"] == pods["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == pods["spec"]["template"]["metadata"]["labels"]
    ports = {(each["name"], each["containerPort"]) for each in container(pods)["ports"]}
    assert ports == {(each["name"], each["port"]) for each in service["spec"]["ports"]}

    domain, pod = service["metadata"]["name"], pods["metadata"]["name"]
    reachable = {domain, *(f"{pod}-{number}.{domain}" for number in range(pods["spec"]["replicas"]))}
    for each in of_kind("ConfigMap", name)["data"]["RDZV_ENDPOINT"].split(","):
        host, _, port = each.partition(":")
        assert host in reachable
        assert int(port) in {number for _, number in ports}
    for probe in ("readinessProbe", "livenessProbe"):
        (asked,) = (each["port"] for each in container(pods)[probe].values() if isinstance(each, dict))
        assert asked in {called for called, _ in ports}


def test_each_etcd_knows_all_of_them() -> None:
    """The cluster's members are the pods of the StatefulSet, each at the address that it advertises."""
    pods = of_kind("StatefulSet", "store-etcd.yaml")
    names = [f"{pods['metadata']['name']}-{number}" for number in range(pods["spec"]["replicas"])]
    flags = [flags_of(words(container(pods), {"POD_NAME": name})) for name in names]
    advertised = {each["name"]: each["initial-advertise-peer-urls"] for each in flags}
    assert names == list(advertised)
    for each in flags:
        assert advertised == dict(member.split("=") for member in each["initial-cluster"].split(","))


def flags_of(command: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (flag.removeprefix("--").partition("=") for flag in command[1:])}


@pytest.mark.parametrize("name", ["job.yaml", "store-tcp.yaml", "store-etcd.yaml"])
def test_what_is_mounted_is_there(name: str) -> None:
    """Every mount names a volume, every volume a claim, and the secret is called alike everywhere."""
    claims = {each["metadata"]["name"] for each in manifests(name) if each["kind"] == "PersistentVolumeClaim"}
    for owner in (each for each in manifests(name) if each["kind"] in ("Job", "StatefulSet")):
        volumes = {each["name"]: each for each in owner["spec"]["template"]["spec"].get("volumes", [])}
        templates = {each["metadata"]["name"] for each in owner["spec"].get("volumeClaimTemplates", [])}
        mounts = {each["name"] for each in container(owner)["volumeMounts"]}
        assert mounts == volumes.keys() | templates
        assert {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v} <= (
            claims
        )
        assert {v["secret"]["secretName"] for v in volumes.values() if "secret" in v} <= {"rdzv-token"}


def test_the_job_takes_its_store_from_the_stores_config_map() -> None:
    """Either store's, which have one name."""
    taken = [each["configMapRef"]["name"] for each in container(of_kind("Job", "job.yaml"))["envFrom"]]
    assert [taken] * 2 == [[of_kind("ConfigMap", f"store-{store}.yaml")["metadata"]["name"]] for store in STORES]


def test_as_many_pods_as_nodes(accepted: Callable[..., dict[str, Any]]) -> None:
    """The job's numbers are those of --nodes: all of them fit in, and it counts as done with the least number."""
    spec = of_kind("Job", "job.yaml")["spec"]
    least, most = accepted(*node("tcp", 0))["nodes"]
    assert most == spec["completions"] == spec["parallelism"]
    assert least == most - spec["maxFailedIndexes"] == spec["successPolicy"]["rules"][0]["succeededCount"]


def test_the_readme_names_what_there_is() -> None:
    """Its files, its job, its label and its secret."""
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert {path.name for path in FOLDER.glob("*.yaml")} == set(re.findall(r"[\w-]+\.yaml", readme))
    job = of_kind("Job", "job.yaml")
    assert f"kubectl exec job/{job['metadata']['name']} -- rdzv status" in readme
    assert f"-l app={job['spec']['template']['metadata']['labels']['app']} " in readme
    assert "secret generic rdzv-token --from-literal=token=" in readme


def test_the_pods_of_the_tcp_store_and_the_job_do_the_job(
    start: Callable[..., Any], accepted: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Their command lines, run here with names and directories replaced: each pod ends with status 0."""
    serve = words(container(of_kind("StatefulSet", "store-tcp.yaml")), {})
    accepted(serve, {})
    port, secret = free_port(), tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text("d4f1\n")
    places = {"0.0.0.0:29400": f"127.0.0.1:{port}", "rdzv-tcp:29400": f"127.0.0.1:{port}", "/secret": str(secret)}
    store = start(*replaced(serve, {**places, "/data": str(tmp_path)}))
    store.says(rf"^127\.0\.0\.1:{port}$")
    run_nodes("tcp", places, start, accepted, tmp_path)


def test_the_pods_of_etcd_and_the_job_do_the_job(
    start: Callable[..., Any], accepted: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Three real members by their command lines, and the nodes on them."""
    pods = of_kind("StatefulSet", "store-etcd.yaml")
    names = [f"{pods['metadata']['name']}-{number}" for number in range(pods["spec"]["replicas"])]
    places = {f"{name}.rdzv-etcd:{port}": f"127.0.0.1:{free_port()}" for name in names for port in (2379, 2380)}
    for name in names:
        own = {f"0.0.0.0:{port}": places[f"{name}.rdzv-etcd:{port}"] for port in (2379, 2380)}
        command = words(container(pods), {"POD_NAME": name})
        start(*replaced(command, {**places, **own, "/data": str(tmp_path / name)}))
    run_nodes("etcd", places, start, accepted, tmp_path)


def replaced(given: list[str], places: Mapping[str, str]) -> list[str]:
    for place, here in places.items():
        given = [word.replace(place, here) for word in given]
    return given


def run_nodes(
    store: str, places: Mapping[str, str], start: Callable[..., Any], accepted: Callable[..., Any], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    nodes = []
    for index in range(4):
        command, environment = node(store, index)
        accepted(command, environment)
        here = {name: replaced([value], places)[0] for name, value in environment.items()}
        command = [*replaced(command, {"/checkpoints": str(checkpoints)}), "--steps", "20"]
        nodes.append(start(*command, cwd=EXAMPLES, **here))
    assert [0] * 4 == [each.ends() for each in nodes], "\n".join(each.said() for each in nodes)
    ranks = [each.says(r"rank (\d) of 4 goes on from step 0")[1] for each in nodes]
    assert ["0", "1", "2", "3"] == sorted(ranks)
    assert '{"step": 20}' == (checkpoints / "6f0c1b52.json").read_text()

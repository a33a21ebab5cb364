"""The Kubernetes manifests, by the public schemas and by what they promise."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from schemas.topics import ROLES
from tests.deploy.commands import runs

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
WORKLOADS = (*ROLES, "executor")
FILES = sorted(FOLDER.glob("*.yaml"))


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


def of_kind(name: str, kind: str) -> dict[str, Any]:
    return next(document for document in documents(name) if document["kind"] == kind)


def pod(name: str) -> dict[str, Any]:
    return of_kind(name, "Job" if name == "topics" else "StatefulSet")["spec"]["template"]["spec"]


def test_there_is_a_file_for_each_workload() -> None:
    assert {path.stem for path in FILES} == {*WORKLOADS, "topics"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_document_is_valid_by_the_strict_schema(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", [*WORKLOADS, "topics"])
def test_containers_are_locked_down_limited_and_run_a_command_that_exists(name: str) -> None:
    spec = pod(name)
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert runs(container["args"]) is None


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_probed_and_keeps_its_name_across_restarts(role: str) -> None:
    container = pod(role)["containers"][0]
    asked = {probe: container[probe]["exec"]["command"][-1] for probe in ("livenessProbe", "readinessProbe")}
    assert "127.0.0.1:9464/healthz" in asked["livenessProbe"]
    assert "127.0.0.1:9464/readyz" in asked["readinessProbe"]
    arguments = container["args"]
    assert arguments[arguments.index("--role") + 1] == role
    assert arguments[arguments.index("--instance") + 1] == "$(POD_NAME)"
    assert container["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@pytest.mark.parametrize("name", WORKLOADS)
def test_disruptions_take_one_pod_at_a_time(name: str) -> None:
    budget, workload = of_kind(name, "PodDisruptionBudget"), of_kind(name, "StatefulSet")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == workload["spec"]["selector"]


def test_a_private_key_is_mounted_only_where_it_signs() -> None:
    holders = {
        (name, source["secret"]["name"])
        for name in WORKLOADS
        for volume in pod(name)["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "key" in source.get("secret", {}).get("name", "")
    }
    assert holders == {
        ("gate", "flyball-key-actions"),
        ("improve", "flyball-key-audit"),
        ("executor", "flyball-key-outcomes"),
    }


def test_an_executor_keeps_its_memory_on_a_volume_of_its_own() -> None:
    claims = of_kind("executor", "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["data"]

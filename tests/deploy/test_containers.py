"""The image and the compose file, by public validators and by what they promise."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose, PyOptions
from dockerfile_parse import DockerfileParser

from schemas.topics import ROLES
from tests.deploy.commands import runs

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), str(DEPLOY / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_installs_by_hash(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text((DEPLOY / "Dockerfile").read_text())
    steps = DockerfileParser(path=str(tmp_path)).structure
    users = [step["value"] for step in steps if step["instruction"] == "USER"]
    assert users == ["10001:10001"]
    installs = [step["value"] for step in steps if "pip install" in step["value"]]
    assert ["--require-hashes" in command or "--no-deps" in command for command in installs] == [True, True]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (DEPLOY.parent / source).exists()
                assert source in kept


def test_the_compose_file_is_one_by_the_compose_specification() -> None:
    options = PyOptions()
    options.apply_merge = True
    parsed = options.from_yaml(COMPOSE.read_text())
    parsed.validate()
    assert set(parsed.service_names()) == {"kafka", "topics", "executor", *ROLES}


def test_the_validator_refuses_what_is_no_compose_file() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        PyCompose.from_yaml("services:\n  a:\n    nonsense: 1\n")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_service_that_waits_for_its_topics_and_is_probed(role: str) -> None:
    service = SERVICES[role]
    assert service["depends_on"]["topics"]["condition"] == "service_completed_successfully"
    assert "9464/readyz" in service["healthcheck"]["test"][-1]
    assert service["command"][:5] == ["run", "--config", "/etc/flyball/loop.toml", "--role", role]
    assert service["read_only"]


@pytest.mark.parametrize("name", [*ROLES, "topics", "executor"])
def test_every_command_is_one_that_flyball_has(name: str) -> None:
    assert runs(SERVICES[name]["command"]) is None


def test_kafka_is_the_official_image_of_the_version_that_we_test_with() -> None:
    from connectors.kafka.jars import VERSION  # noqa: PLC0415  # named here, beside what it is compared with

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{VERSION}"


def test_only_the_gate_is_given_the_folder_with_the_action_key() -> None:
    holders = {
        name for name, service in SERVICES.items() if any("keys/gate" in volume for volume in service["volumes"])
    }
    assert holders == {"gate"}

"""The contract as a wheel of its own: built, installed into an empty environment, used by somebody else's program."""

import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import schemas
from connectors.kafka.launcher import LocalKafka
from tests.patience import PATIENCE_S
from tests.schemas.executors import Site

SOURCE = Path(schemas.__file__).parent
PROGRAM = Path(__file__).parent / "foreign_program.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_exactly_the_files_of_the_contract(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    outside = {path.relative_to(SOURCE) for path in SOURCE.rglob("*") if path.suffix in (".py", ".json")}
    assert inside == {f"flyball_schemas/{path.as_posix()}" for path in outside}


def test_all_versions_are_one() -> None:
    versions = [tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (SOURCE, SOURCE.parent)]
    assert {document["project"]["version"] for document in versions} == {schemas.__version__}


def test_a_program_that_has_only_the_wheel_publishes_and_acts(
    wheel: Path, broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path
) -> None:
    python = install(wheel, tmp_path / "env")
    site = Site(broker.connection, broker.cluster_id, loop_on_kafka(telemetry=2), tmp_path)
    site.order("running")
    arguments = [broker.connection.bootstrap, broker.cluster_id, site.loop, str(site.keys), str(tmp_path / "memory")]
    command = [str(python), "-W", "error", str(PROGRAM), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, text=True, cwd=tmp_path, env={}) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            site.action("a1", entity="pump-1", action="flush")
            assert process.stdout.readline() == "done a1\n"
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
    assert site.outcomes("a1") == ["claimed", "succeeded"]
    assert site.details("a1")[-1] == "flush of pump-1"


def install(wheel: Path, folder: Path) -> Path:
    """Make an empty environment with the wheel and its Kafka extra (by uv where there is one); return its Python."""
    python = folder / "bin" / "python"
    uv = shutil.which("uv")
    if uv is None:
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    else:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        command = [uv, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*command, f"{wheel}[kafka]"], check=True)
    return python

"""What a process loads: the command line only settings, the gate no learner."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.keyfiles import create_keys

READ_SETTINGS = "import streams.settings"
MAKE_ROLE = (
    "from streams.app import make_decoded_role; from streams.settings import EXAMPLE, parse; "
    "make_decoded_role(parse(EXAMPLE, name='example'), role={role!r}, partition=0)"
)
MAKE_WORKER = (
    "import sys; from pathlib import Path; from schemas.connection import KafkaConnection; "
    "from schemas.signing import Audience; from streams.app import make_worker; "
    "from streams.settings import EXAMPLE, parse; "
    "make_worker(parse(EXAMPLE, name='example'), role={role!r}, connection=KafkaConnection(), "
    "audience=Audience(cluster='c', loop='example'), keys=Path({keys!r}), data=Path({keys!r}), instance='i')"
)


def loaded_by(program: str) -> set[str]:
    """Return the top-level packages that a program loads."""
    shown = f"{program}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split())


def test_settings_are_read_without_numbers_or_learners() -> None:
    assert loaded_by(READ_SETTINGS).isdisjoint({"numpy", "polars", "pyarrow", "river", "sklearn", "faust", "rich"})


def test_the_process_of_the_gate_holds_no_learner() -> None:
    assert loaded_by(MAKE_ROLE.format(role="gate")).isdisjoint({"river", "sklearn", "scipy", "numba"})


@pytest.mark.parametrize(
    ("program", "loads"),
    [("import streams.cli", False)]
    + [(MAKE_ROLE.format(role=role), role == "decide") for role in ("ingest", "detect", "decide", "improve")],
    ids=["command line", "ingest", "detect", "decide", "improve"],
)
def test_only_the_role_that_decides_loads_a_compiler(program: str, loads: bool) -> None:
    assert ("numba" in loaded_by(program)) is loads


@pytest.mark.parametrize("role", ["ingest", "detect", "decide", "gate", "improve"])
def test_a_worker_has_loaded_what_its_role_needs_before_it_takes_anything_over(role: str, tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    loaded = loaded_by(MAKE_WORKER.format(role=role, keys=str(tmp_path / "keys")))
    assert ("numba" in loaded) is (role == "decide")

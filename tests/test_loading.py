"""What a process loads: the command line only settings, the gate no learner."""

import subprocess
import sys

READ_SETTINGS = "import streams.settings"
MAKE_GATE = (
    "from streams.app import make_decoded_role; from streams.settings import EXAMPLE, parse; "
    "make_decoded_role(parse(EXAMPLE, name='example'), role='gate', partition=0)"
)


def loaded_by(program: str) -> set[str]:
    """Return the top-level packages that a program loads."""
    shown = f"{program}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split())


def test_settings_are_read_without_numbers_or_learners() -> None:
    assert loaded_by(READ_SETTINGS).isdisjoint({"numpy", "polars", "pyarrow", "river", "sklearn", "faust", "rich"})


def test_the_process_of_the_gate_holds_no_learner() -> None:
    assert loaded_by(MAKE_GATE).isdisjoint({"river", "sklearn", "scipy"})

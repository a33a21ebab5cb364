"""The examples of connectors/executors/README.md, as written: the program runs, the settings are valid."""

import types
from pathlib import Path

import pytest

from connectors.executors.settings import ExecutorsSettings
from streams.settings import EXAMPLE, parse, world_settings
from tests.connectors.memory import Memory, action, execute
from tests.kafka.test_readme import blocks

README = Path(__file__).parents[2] / "connectors" / "executors" / "README.md"
LOOP = 'loop.name = "my-loop"\npolicy.baseline = "mend"\nactions.mend.cost = 0.1\n'


def test_the_executor_of_ones_own_has_at_most_thirty_lines_and_does_what_it_says(tmp_path: Path) -> None:
    (program,) = blocks(README, "python")
    assert len(program.splitlines()) <= 30
    valves = types.ModuleType("valves")
    exec(program, valves.__dict__)  # noqa: S102  # as its reader would run it
    (tmp_path / "inlet").write_text("close")
    handler = valves.Valves(tmp_path)
    memory = Memory(action(1, "open", entity="inlet"), action(2, "open", entity="outlet"))
    execute(memory, {"open": handler})
    assert sorted(memory.ends) == [("action-1", "succeeded", ""), ("action-2", "refused", "no valve outlet")]
    assert (tmp_path / "inlet").read_text() == "open"


@pytest.mark.parametrize("block", blocks(README, "toml"))
def test_the_settings_of_the_readme_are_valid(block: str) -> None:
    parse(LOOP + block, name="README.md", worlds={"executors": ExecutorsSettings})


def test_the_commented_executors_of_the_example_loop_are_valid_and_show_every_kind() -> None:
    part = EXAMPLE[EXAMPLE.index("# [executors]") :]
    lines = [line.removeprefix("# ") for line in part.splitlines() if " = " in line or line.startswith("# [")]
    settings = parse(LOOP + "\n".join(lines), name="loop.toml", worlds={"executors": ExecutorsSettings})
    found = world_settings(ExecutorsSettings, settings, section="executors")
    assert all((found.webhook, found.command, found.kafka))
    for name in ("concurrency", "limit", "attempts", "pause_us", "longest_pause_us", "target"):  # written with defaults
        assert getattr(found, name) == getattr(ExecutorsSettings(), name)

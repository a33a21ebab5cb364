from importlib import resources
from pathlib import Path

from streams.settings import load, parse

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_the_lab_example_is_the_loop_of_the_demonstration() -> None:
    demonstrated = resources.files("streams.templates").joinpath("lab.toml").read_text()
    assert load(EXAMPLES / "lab" / "loop.toml") == parse(demonstrated, name="lab.toml")

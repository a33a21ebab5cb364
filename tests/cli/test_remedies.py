"""Commands that texts of the code tell people to type are commands that the command line takes."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.events import Proposal
from streams.cli.main import COMMANDS
from streams.loop.gate import RULES
from tests.deploy.commands import runs
from tests.loop.gate_bench import proposal

ROOT = Path(__file__).parents[2]
QUOTED = re.compile(r"`flyball ([^`]+)`")
FOR_EXAMPLE = {
    ("keys", "FILE.pub"): __file__,
    ("keys", "role"): "approver",
    ("recover", "role"): "gate",
    ("profiles", "FOLDER"): str(ROOT),
    ("settle", "STATE"): "failed",
}
"""By command: what a person types for a word that stands for some other, where not everything will do."""


def texts(source: str) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings; what is filled in later is its expression."""
    tree = ast.parse(source)
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else told(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare | parts:
            yield node.value


def told(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""


def wrong(command: str) -> str | None:
    """Return what is wrong with a command, or None."""
    name, *arguments = shlex.split(command)
    return runs([name, *(FOR_EXAMPLE.get((name, word), word) for word in arguments)])


def commands() -> Iterator[tuple[str, str]]:
    for folder in ("schemas", "connectors", "streams"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for text in texts(path.read_text(encoding="utf-8")):
                yield from ((path.relative_to(ROOT).as_posix(), found) for found in QUOTED.findall(text))


FOUND = sorted(set(commands()))


@pytest.mark.parametrize(("file", "command"), FOUND, ids=[f"{file}: {command}" for file, command in FOUND])
def test_a_command_in_a_text_is_one_that_the_command_line_takes(file: str, command: str) -> None:
    if command in COMMANDS:  # it is only named
        return
    assert wrong(command) is None, file


def test_the_texts_are_found() -> None:
    assert ("streams/loop/gate/state.py", "recover --role gate --accept-loss") in FOUND


def remedies(one: Proposal) -> Iterator[str]:
    """Yield every command in what the gate advises where it refuses a proposal."""
    for rule in RULES:
        for part in re.split("[;,]", rule.remedy_of(one)):
            yield from re.findall(r"flyball (.+)", part.strip())


def test_what_the_gate_advises_is_what_the_command_line_takes() -> None:
    found = set(remedies(proposal("p1")))
    assert {"rearm loop", "rearm action:restart", "why e0", "approve p1"} <= found
    assert {one: wrong(one) for one in found} == dict.fromkeys(found)

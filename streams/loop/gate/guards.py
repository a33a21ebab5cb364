"""Guards: conditions of the operator's own, in the Common Expression Language (https://cel.dev), that actions meet.

The language has no loops without end, no clock and no access to anything but what it is given, so a guard is as pure as
the gate. Its library is loaded where a guard is stated, and only there.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from streams.loop.actions import ActionSettings
from streams.loop.gate.book import Book
from streams.loop.gate.settings import GuardSettings
from streams.loop.gate.state import Question

LONGEST = 2_000
"""Characters of an expression at most."""
SAMPLE: dict[str, Any] = {
    "entity": "web-1",
    "group": "",
    "action": "restart",
    "pattern": "p-1",
    "risk": "low",
    "by": "loop",
    "level": "act",
    "propensity": 0.5,
    "cost": 0.05,
    "open_s": 10.0,
    "abnormal": 1,
    "live": 10,
    "hour": 12,
    "weekday": 0,
    "approved": False,
    "features": {"severity": 0.5},
    "parameters": {"grace": "5s"},
}
"""All that a guard is given, with values of the right types: what is not said in an example is as here."""

NOBODY: dict[str, Any] = {"live": 0, "abnormal": 0}
"""What is not so in `SAMPLE`, but is for every guard before the first census: it must be worked out then too."""


class Program(Protocol):
    """A compiled expression."""

    def variables(self) -> list[str]:
        """Return the names it reads."""
        ...

    def execute(self, context: dict[str, Any]) -> Any:
        """Return its value; raises `TypeError`, `ValueError`, `RuntimeError`, `ArithmeticError` or `KeyError`."""
        ...


class Guards:
    """Compiled guards, asked in the order of their names."""

    def __init__(self, settings: Mapping[str, GuardSettings]) -> None:
        self._programs = {name: compiled(settings[name].allow) for name in sorted(settings)}

    def refusal(self, book: Book, action: ActionSettings | None, question: Question) -> str | None:
        """Return which guard refuses a proposal and why, or None when none does."""
        given = given_to(book, action, question)
        for name, program in self._programs.items():
            answer = answer_of(program, given)
            if answer is not True:
                return f"{name} says no" if answer is False else f"{name}: {answer}"
        return None


def compiled(text: str) -> Program:
    """Return a program; raises `ValueError` that says what is wrong with the text."""
    from cel import compile as compile_text  # noqa: PLC0415  # two seconds, for those alone who state guards

    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters, got {len(text)}")
    program: Program = compile_text(text)
    return program


def answer_of(program: Program, given: dict[str, Any]) -> bool | str:
    """Return what a guard says, or why that cannot be worked out."""
    try:
        answer = program.execute(given)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        return _first_line(error)
    return answer if isinstance(answer, bool) else f"expected true or false, got {type(answer).__name__}"


def given_to(book: Book, action: ActionSettings | None, question: Question) -> dict[str, Any]:
    """Return what guards are given about a proposal: the keys of `SAMPLE`."""
    proposal = question.proposal
    count = book.health.all(question.now_us)
    moment = datetime.fromtimestamp(question.now_us / 1e6, UTC)
    opened = book.field.episodes.get(proposal.episode)
    return {
        "entity": proposal.entity,
        "group": book.group_of(proposal),
        "action": proposal.action,
        "pattern": proposal.pattern,
        "risk": action.risk if action is not None else "low",
        "by": proposal.by,
        "level": question.level,
        "propensity": proposal.propensity,
        "cost": action.cost if action is not None else 0.0,
        "open_s": 0.0 if opened is None else (question.now_us - opened.since_us) / 1e6,
        "abnormal": count.abnormal,
        "live": count.live,
        "hour": moment.hour,
        "weekday": moment.weekday(),
        "approved": question.approval is not None,
        "features": dict(proposal.features),
        "parameters": dict(proposal.parameters),
    }


def problems_of(guard: GuardSettings) -> Iterator[str]:
    """Say what is wrong with a guard: its text, its types, or an example that it answers otherwise."""
    try:
        program = compiled(guard.allow)
    except ValueError as error:
        yield _first_line(error)
        return
    unknown = sorted(set(program.variables()) - set(SAMPLE))
    if unknown:
        yield f"unknown {', '.join(unknown)}: a guard is given {', '.join(SAMPLE)}"
        return
    for moment, given in (("", SAMPLE), (" while no entity is known (live = 0, abnormal = 0)", SAMPLE | NOBODY)):
        answer = answer_of(program, given)
        if isinstance(answer, str):
            yield answer + moment
            break
    for number, example in enumerate(guard.examples, start=1):
        strange = sorted(set(example.given) - set(SAMPLE))
        if strange:
            yield f"example {number}: unknown {', '.join(strange)}"
            continue
        answer = answer_of(program, SAMPLE | example.given)
        if answer is not example.allowed:
            said = answer if isinstance(answer, str) else _spelled(answer)
            yield f"example {number}: expected {_spelled(example.allowed)}, got {said}"


def _spelled(answer: bool) -> str:
    return "true" if answer else "false"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

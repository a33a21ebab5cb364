"""Guards: what they are given, what they refuse, and what is wrong with one."""

import subprocess
import sys

import pytest

from schemas.errors import SettingsError
from schemas.events import Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import GateSettings, LevelSettings
from streams.loop.gate.guards import SAMPLE, given_to
from streams.loop.gate.names import Names
from streams.loop.gate.settings import GuardSettings
from streams.loop.gate.state import Question, scopes_of
from streams.settings import parse
from tests.loop.gate_bench import SECOND, Bench, census, proposal, verdicts


def bench_with(*texts: str) -> Bench:
    guards = {f"guard-{number}": GuardSettings(allow=text) for number, text in enumerate(texts)}
    bench = Bench(settings=GateSettings(guards=guards), levels=LevelSettings(default="act"))
    bench.start()
    return bench


def ask(bench: Bench, **fields: object) -> Verdict:
    (verdict,) = verdicts(bench.give(proposal("p1", **fields)))
    return verdict


ALLOWED = [
    "true",
    "entity == 'e0' && group == '' && pattern.startsWith('p-')",
    "action in ['restart', 'recycle'] && risk == 'low' && by == 'loop'",
    "propensity > 0.4 && cost < 0.1",
    "hour == 22 && weekday == 1",
    "abnormal * 2 <= live",
    "!approved && level == 'act'",
    "features.severity > 0.2 && parameters.grace == '2s'",
    "live == 0 || abnormal / live < 1",
]
FIELDS = {"features": {"severity": 0.3}, "parameters": {"grace": "2s"}}


@pytest.mark.parametrize("text", ALLOWED)
def test_a_guard_sees_the_proposal_and_the_fleet(text: str) -> None:
    bench = bench_with(text)
    bench.give(census(abnormal=1, live=10))
    assert ask(bench, **FIELDS).verdict == "allow"


REFUSED = [
    ("false", "guard-0 says no"),
    ("entity == 'e1'", "guard-0 says no"),
    ("open_s >= 30.0", "guard-0 says no"),
    ("features.missing > 0.2", "guard-0: "),
    ("entity > 3", "guard-0: "),
    ("cost", "guard-0: expected true or false, got float"),
    ("abnormal / live < 1", "guard-0: "),
    ("hour % abnormal == 0", "guard-0: "),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_a_guard_refuses_or_cannot_work_out_is_denied_and_said(text: str, says: str) -> None:
    verdict = ask(bench_with(text), **FIELDS)
    assert (verdict.verdict, verdict.decided_by) == ("deny", "guards")
    check = next(check for check in verdict.checks if check.name == "guards")
    assert check.detail.startswith(says)


def test_all_guards_must_allow_and_the_first_that_does_not_is_named() -> None:
    verdict = ask(bench_with("true", "false", "false"))
    assert next(check for check in verdict.checks if check.name == "guards").detail == "guard-1 says no"


def test_a_guard_sees_how_long_the_episode_was_open() -> None:
    bench = bench_with("open_s >= 30.0")
    bench.us += 30 * SECOND
    assert ask(bench, time_us=bench.us).verdict == "allow"


def test_the_sample_has_exactly_what_a_guard_is_given_in_the_same_types() -> None:
    bench = bench_with("true")
    asked = proposal("p1", **FIELDS)
    question = Question(
        proposal=asked,
        scopes=scopes_of(asked, Names(1)),
        now_us=bench.us,
        control_heard_us=bench.us,
        level="act",
        until_us=bench.us,
    )
    given = given_to(bench.gate._book, ActionSettings(name="restart"), question)  # its own book
    assert {name: type(value) for name, value in given.items()} == {name: type(v) for name, v in SAMPLE.items()}


LEAST = '[loop]\nname = "x"\n[actions.restart]\n[gate.guards.one]\n'
WRONG = [
    ("allow = 'entity =='", "gate.guards.one: Failed to parse expression"),
    ("allow = 'entitty == \"x\"'", "gate.guards.one: unknown entitty: a guard is given entity, group,"),
    ("allow = 'entity > 3'", "gate.guards.one: No such overload"),
    ("allow = 'cost'", "gate.guards.one: expected true or false, got float"),
    ("allow = 'hour > 7'\nexamples = [{ given = { hour = 7 }, allowed = true }]",
     "gate.guards.one: example 1: expected true, got false"),
    ("allow = 'hour > 7'\nexamples = [{ given = { our = 7 }, allowed = true }]",
     "gate.guards.one: example 1: unknown our"),
    ("allow = 'hour > 7'\nexamples = [{ given = { hour = 'x' }, allowed = true }]",
     "gate.guards.one: example 1: expected true, got No such overload"),
    ("allow = 'abnormal / live < 1'", "while no entity is known (live = 0, abnormal = 0)"),
    ("allow = 'live > 0 && 3 % live == 0'\nexamples = [{ given = { live = 0 }, allowed = true }]",
     "gate.guards.one: example 1: expected true, got false"),
    ("allow = '3 % live == 0'\nexamples = [{ given = { live = 0 }, allowed = true }]",
     "gate.guards.one: example 1: expected true, got "),
    (f"allow = '{'true || ' * 300}true'", "gate.guards.one: expected at most 2000 characters, got"),
    ("alow = 'true'", "gate.guards.one.alow: unknown key, did you mean \"allow\"?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_is_wrong_with_a_guard_is_said_before_anything_runs(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(LEAST + text, name="loop.toml")
    assert any(says in line for line in error.value.problems), error.value.problems


def test_without_guards_their_library_is_not_loaded() -> None:
    program = (
        "import sys; from streams.loop.gate import Gate, GateSettings;"
        "Gate(GateSettings(), loop='x', settings_hash='', actions={}); print('cel' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"

"""What the gate answers, as tables: one row per check, in the order in which they decide."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import NONE, Action, Blocked, Check, Verdict
from schemas.orders import of_key
from streams.loop.actions import ActionSettings
from streams.loop.gate import LEVEL_VERDICTS, LEVELS, RULES, Level, LevelSettings
from streams.loop.gate.checks import findings_of
from streams.loop.gate.settings import GuardSettings
from streams.operate.gate_document import gate_document
from tests.loop.gate_bench import (
    HOUR,
    SECOND,
    START,
    Arrange,
    Bench,
    actions,
    census,
    check_of,
    closed,
    control,
    fail,
    outcome,
    proposal,
    ready,
    spend,
    untouched,
    verdicts,
)


def test_what_every_check_lets_pass_becomes_one_action_signed_for_by_its_verdict() -> None:
    bench = ready()
    verdict, action, blocked = bench.give(proposal("p1"))
    assert isinstance(verdict, Verdict)
    assert isinstance(action, Action)
    assert isinstance(blocked, Blocked)
    assert verdict.verdict == "allow"
    assert verdict.decided_by is None
    assert verdict.action == action.id
    assert [check.name for check in verdict.checks] == [rule.name for rule in RULES]
    assert all(check.passed for check in verdict.checks)
    assert (action.issued_us, action.expires_us) == (bench.us, bench.us + 15 * SECOND)
    assert (action.proposal, action.entity, action.settings_hash) == ("p1", "e0", bench.hash)
    assert action.parameters == {"grace": "1s"}
    assert blocked.until_us == {"entity:e0": 0}


def in_flight(bench: Bench) -> None:
    bench.give(proposal("other", entity="e0"))


def cooling(bench: Bench) -> None:
    allowed = actions(bench.give(proposal("other", entity="e0")))
    bench.give(outcome(allowed[0], "succeeded"))


def full(bench: Bench) -> None:
    for n in (1, 2):
        bench.give(proposal(f"other-{n}", entity=f"e{n}", episode=f"episode-e{n}"))


def asked(bench: Bench) -> None:
    bench.give(control("level", "*/restart", "approve"))
    bench.give(proposal("other", entity="e1", episode="episode-e1"))


REFUSED: list[tuple[str, dict[str, object], Arrange, dict[str, object], str, str]] = [
    # the first check to fail, gate settings, what happened before, the proposal, verdict, what it says
    ("duplicate", {"remembered": 1, "tracked": 1},
     lambda b: b.give(proposal("x", action=NONE), proposal("y", action=NONE)), {}, "deny",
     "older than every remembered proposal"),
    ("pause", {}, lambda b: b.give(control("pause", "loop", "paused")), {}, "deny", "loop is paused"),
    ("pause", {}, lambda b: b.give(control("pause", "entity:e0", "paused")), {}, "deny", "entity:e0 is paused"),
    ("pause", {}, lambda b: b.give(control("pause", "action:restart", "paused")), {}, "deny",
     "action:restart is paused"),
    ("pause", {}, lambda b: b.give(control("pause", "pattern:p-1", "paused")), {}, "deny", "pattern:p-1 is paused"),
    ("pause", {}, lambda b: b.give(control("stop", "loop", "stopped")), {}, "deny", "loop is paused"),
    ("control", {}, lambda b: b.silence(10 * SECOND + 1), {}, "deny", "10.0 s ago, at most 10s"),
    ("clock", {}, untouched, {"time_us": START + 5 * SECOND + 1}, "deny", "5.0 s ahead of the gate, at most 5s"),
    ("evidence", {}, untouched, {"time_us": START - 30 * SECOND - 1}, "deny", "30.0 s ago, at most 30s"),
    ("settings", {}, lambda b: b.give(control("settings", "loop", "other")), {}, "deny",
     "activated other, own hash-of-own"),
    ("declared", {}, untouched, {"action": "reboot"}, "deny", ""),
    ("expiry", {}, untouched, {"expires_us": START}, "deny", "expired 0s ago"),
    ("episode", {}, lambda b: b.give(closed("e0")), {}, "deny", "it is over"),
    ("episode", {}, untouched, {"episode": "unheard"}, "deny", "never seen open"),
    ("episode", {}, untouched, {"entity": "e1"}, "deny", "it is one of e0"),
    ("episode", {}, untouched, {"episode": ""}, "deny", "a pattern without an episode"),
    ("abnormal", {}, lambda b: b.give(census(abnormal=6, live=10)), {}, "deny", "6 of 10 entities are abnormal"),
    ("failures", {"failed_least": 3}, lambda b: fail(b, 3), {}, "deny", "3 of 3 ends were failed or unknown"),
    ("protected", {"protected": ("e0",)}, untouched, {}, "deny", ""),
    ("maintenance", {"maintenance": ("daily 22:00 - 23:00 UTC",)}, untouched, {}, "deny",
     "within daily 22:00 - 23:00 UTC"),
    ("guards", {"guards": {"never": GuardSettings(allow="false")}}, untouched, {}, "deny", "never says no"),
    ("level", {}, lambda b: b.give(control("level", "p-1/restart", "observe")), {}, "shadow", "observe"),
    ("level", {}, lambda b: b.give(control("level", "p-1/restart", "suggest")), {}, "shadow", "suggest"),
    ("escalations", {"escalation_limit": "1/hour"}, asked, {}, "deny", ""),
    ("approval", {}, lambda b: b.give(control("level", "p-1/restart", "approve")), {}, "escalate", "approve"),
    ("attempts", {"entity_attempts": "2/day"}, lambda b: spend(b, 2, entity="e0"), {}, "deny", ""),
    ("in-flight", {}, in_flight, {}, "deny", ""),
    ("cooldown", {}, cooling, {}, "deny", ""),
    ("wait", {}, untouched, {"action": "failover"}, "deny", "open for 0.0 of 60.0 s"),
    ("concurrency", {"concurrency": 2}, full, {}, "deny", ""),
    ("blast-radius", {"blast_count": 2}, full, {}, "deny", ""),
    ("blast-radius", {"blast_share": 0.2}, lambda b: (b.give(census(abnormal=1, live=14)), full(b)), {}, "deny", ""),
    ("healthy", {"healthy_least": 1}, untouched, {}, "deny", "no fresh census of group ''"),
    ("healthy", {"healthy_least": 7, "abnormal_share": 1}, lambda b: b.give(census(abnormal=14, live=20)), {}, "deny",
     "6 of 20 would be left in group '', at least 7 must"),
    ("healthy", {"healthy_share": 0.33, "abnormal_share": 1}, lambda b: b.give(census(abnormal=14, live=20)), {},
     "deny", "6 of 20 would be left in group '', at least 7 must"),
    ("healthy", {"healthy_least": 11, "abnormal_share": 1}, lambda b: b.give(census(abnormal=0, live=20)), {}, "deny",
     "10 of 20 would be left in group '', at least 11 must"),
    ("action-budget", {}, lambda b: spend(b, 5), {}, "deny", ""),
    ("pattern-budget", {"pattern_limit": "2/hour"}, lambda b: spend(b, 2), {}, "deny", ""),
    ("loop-budget", {"loop_limit": "2/hour"}, lambda b: spend(b, 2), {}, "deny", ""),
    ("exploration", {"explore_limit": "0/day"}, untouched, {"probabilities": {"restart": 0.2, "none": 0.8}}, "deny",
     ""),
    ("exploration", {}, untouched, {"action": "wipe", "probabilities": {"wipe": 0.2, "none": 0.8}}, "deny",
     "of high risk, and another action looks better"),
    ("cost", {"cost_a_day": 0.12}, lambda b: spend(b, 2), {}, "deny", "0.1 spent, 0.05 more, of 0.12 in 24 h"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "arrange", "fields", "answer", "says"), REFUSED)
def test_the_first_check_that_fails_decides(  # noqa: PLR0917  # pytest passes the columns by name
    name: str, settings: dict[str, object], arrange: Arrange, fields: dict[str, object], answer: str, says: str
) -> None:
    bench = ready(**settings)
    bench.us = START  # 22:13:20 UTC, a Tuesday
    arrange(bench)
    times = {"time_us": bench.us, "expires_us": bench.us + 60 * SECOND} if name != "duplicate" else {}
    outputs = bench.give(proposal("p1", **{**times, **fields}))
    (verdict,) = verdicts(outputs)
    assert (verdict.verdict, verdict.decided_by) == (answer, name)
    assert actions(outputs) == []
    (failed, *_) = [check for check in verdict.checks if not check.passed]
    assert failed.name == name
    assert says in failed.detail
    assert failed.remedy
    assert "{" not in failed.remedy


def test_the_table_above_covers_every_row_of_the_gates_table_in_its_order() -> None:
    assert list(dict.fromkeys(row[0] for row in REFUSED)) == [rule.name for rule in RULES]
    assert {row[0]: row[4] for row in REFUSED} == {rule.name: rule.failed for rule in RULES}


def test_checks_are_made_in_the_order_of_the_design() -> None:
    order = (
        "duplicate pause control clock evidence settings declared expiry episode abnormal failures protected "
        "maintenance guards level escalations approval attempts in-flight cooldown wait concurrency blast-radius "
        "healthy action-budget pattern-budget loop-budget exploration cost"
    )
    assert [rule.name for rule in RULES] == order.split()


def test_of_several_failures_the_earliest_in_the_order_decides_and_all_are_listed() -> None:
    bench = ready(protected=("e0",))
    bench.give(control("pause", "loop", "paused"), closed("e0"), census(abnormal=9, live=9))
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert verdict.decided_by == "pause"
    assert [check.name for check in verdict.checks if not check.passed] == ["pause", "episode", "abnormal", "protected"]


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_sets_the_mode(level: Level) -> None:
    bench = Bench(levels=LevelSettings(default=level))
    bench.start()
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert (verdict.verdict, verdict.level) == (LEVEL_VERDICTS[level], level)


LEVEL_RULES: list[tuple[LevelSettings, str | None, str, bool, Level]] = [
    # settings, a person's order for p-1/restart, the pattern, reversible, the level
    (LevelSettings(), None, "p-1", True, "observe"),
    (LevelSettings(default="act"), None, "p-1", True, "act"),
    (LevelSettings(default="act"), None, "novel", True, "observe"),
    (LevelSettings(novel="act"), None, "novel", True, "act"),
    (LevelSettings(default="act"), None, "p-1", False, "approve"),
    (LevelSettings(default="act", irreversible="suggest"), None, "p-1", False, "suggest"),
    (LevelSettings(exact={"p-1/restart": "act"}), None, "p-1", True, "act"),
    (LevelSettings(exact={"*/restart": "act"}), None, "p-1", True, "act"),
    (LevelSettings(exact={"*/restart": "act", "p-1/restart": "observe"}), None, "p-1", True, "observe"),
    (LevelSettings(exact={"p-1/restart": "act"}), None, "p-1", False, "act"),
    (LevelSettings(default="act"), "observe", "p-1", True, "observe"),
    (LevelSettings(), "act", "p-1", True, "act"),
    (LevelSettings(), "act", "p-1", False, "approve"),
    (LevelSettings(), "everything", "p-1", True, "observe"),
]


MACHINES_LEVELS = [
    ("signed", "act", "suggest"),
    ("never", "act", "suggest"),
    ("auto", "act", "act"),
    ("signed", "approve", "approve"),
    ("signed", "observe", "observe"),
]


@pytest.mark.parametrize(("settings", "ordered", "pattern", "reversible", "level"), LEVEL_RULES)
def test_the_level_follows_settings_orders_and_whether_the_action_can_be_taken_back(
    settings: LevelSettings, ordered: str | None, pattern: str, reversible: bool, level: Level
) -> None:
    bench = Bench(levels=settings, actions={"restart": ActionSettings(name="restart", reversible=reversible)})
    bench.start()
    if ordered is not None:
        bench.give(control("level", f"{pattern}/restart", ordered))
    (verdict,) = verdicts(bench.give(proposal("p1", pattern=pattern)))
    assert verdict.level == level


@pytest.mark.parametrize(("raising", "ordered", "level"), MACHINES_LEVELS)
def test_a_machines_key_raises_to_act_only_where_nobody_need_sign(
    raising: Literal["never", "signed", "auto"], ordered: Level, level: Level
) -> None:
    bench = Bench(levels=LevelSettings(default="suggest", raising=raising))
    bench.start()
    bench.give(of_key(control("level", "p-1/restart", ordered), "control-0a1b"))
    (verdict,) = verdicts(bench.give(proposal("p1")))
    assert verdict.level == level


def test_doing_nothing_is_allowed_costs_nothing_and_sends_nothing() -> None:
    bench = ready(loop_limit="1/hour")
    for n in range(5):
        (verdict,) = bench.give(proposal(f"p{n}", action=NONE))
        assert isinstance(verdict, Verdict)
        assert (verdict.verdict, verdict.action) == ("allow", None)
    assert len(actions(bench.give(proposal("q", time_us=bench.us)))) == 1


def test_a_proposal_seen_again_gets_the_recorded_verdict_and_no_second_action() -> None:
    bench = ready()
    (first,) = verdicts(bench.give(proposal("p1")))
    before = bench.gate.snapshot()
    for _ in range(3):
        bench.us += SECOND
        assert bench.give(proposal("p1")) == [first]
    assert bench.gate.snapshot() == before


def test_a_refusal_names_limit_spent_of_allowed_next_time_and_remedy() -> None:
    bench = ready(loop_limit="2/hour")
    first_us = bench.us
    spend(bench, 2)
    (verdict,) = verdicts(bench.give(proposal("p1", time_us=bench.us)))
    check = check_of(verdict, "loop-budget")
    assert (check.limit, check.spent, check.allowed, check.next_us) == ("2/hour", 2, 2, first_us + HOUR)
    assert check.remedy == "gate.loop_limit in loop.toml, flyball activate"
    assert verdict.retry_after_us == first_us + HOUR


names = st.lists(st.sampled_from([rule.name for rule in RULES]), unique=True)


@given(failed=names)
def test_whatever_checks_fail_the_first_of_the_table_decides(failed: list[str]) -> None:
    checks = tuple(Check(name=rule.name, passed=rule.name not in failed) for rule in RULES)
    first = next((rule for rule in RULES if rule.name in failed), None)
    expected = ("allow", None) if first is None else (first.failed, first.name)
    found = findings_of(*checks)
    assert (found.answer, found.decided_by) == expected


def test_the_document_of_the_checks_is_current() -> None:
    written = Path(__file__).parents[2] / "deploy" / "gate.md"
    assert written.read_text(encoding="utf-8") == gate_document(), "run `make documents`"

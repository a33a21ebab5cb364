"""A run's report as people read it."""

import msgspec
import pytest

from connectors.lab.intervals import Interval
from connectors.lab.scoring import score
from streams.cli.summary import print_summary
from streams.operate.arms import ArmLine
from streams.operate.foretold import EarlyLine
from streams.operate.report import DriftLine, PatternLine, Report, SequenceLine

TWO = Interval(mean=2.0, low=1.5, high=2.5)


def arm(*, unrecovered: int) -> ArmLine:
    return ArmLine(
        decisions=5, observed=4, unrecovered=unrecovered, recovery_s=TWO, availability=None, reward=TWO, anytime={}
    )


def report(**fields: object) -> Report:
    known: dict[str, object] = {
        "broker": "Apache Kafka 4", "seconds": 180.0, "telemetry_events": 4_000, "episodes": 50,
        "patterns": [PatternLine(pattern="p-1", name="cpu up", support=7)], "proposals": 49,
        "verdicts": {"allow": 48, "deny": 1}, "reasons": {"passed": 48, "episode": 1}, "actions": 30,
        "actions_executed_twice": 0, "actions_without_outcome": 0, "outcomes": {"succeeded": 30},
        "experiences": {"observed": 45}, "observed_share": 1.0,
        "arms": {"loop": arm(unrecovered=0), "none": arm(unrecovered=3)},
        "latency_ms_p50": 57.4, "latency_ms_p99": 120.2, "dead_letters": 0, "storms": 2,
    }  # fmt: skip
    return Report(**(known | fields))  # type: ignore[arg-type]


def printed(found: Report, capsys: pytest.CaptureFixture[str]) -> str:
    print_summary(found)
    return capsys.readouterr().out


def test_what_happened_is_counted_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(report(), capsys)
    assert "30 actions (0 executed twice, 0 without an outcome)" in said
    assert "50 episodes, 2 storms, 1 recurring patterns" in said
    assert "p50 57 ms, p99 120 ms" in said
    assert "verdicts: allow 48, deny 1" in said
    assert "100% of executed actions have an observed outcome" in said
    assert "cpu up" in said
    assert "49 proposals, 30 actions" in said
    assert "49 proposals (1 not decided when it ended), 30 actions" in printed(report(undecided=1), capsys)


def test_ends_that_differ_and_early_signals_are_told_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(report(), capsys)
    assert "ends that differ" not in said
    assert "early signals" not in said
    said = printed(report(outcomes_contradicted=2, early=EarlyLine(told=9, explained=0.75, pairs=40)), capsys)
    assert "WARNING: 2 actions have ends that differ; the first counts" in said
    assert "early signals: used for 9 decisions; 75% of what 40 outcomes deviated was foretold" in said


def test_what_follows_what_and_what_changed_is_shown_where_patterns_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert "follow one another" not in printed(report(), capsys)
    sequence = SequenceLine(sequence="s-1", name="cpu up, then disk up", support=9, expected=0.5, lag_s=12.0)
    drift = DriftLine(subject="inputs/cpu", partition=0, before=10.0, after=12.5)
    said = printed(report(sequences=[sequence], drifts=[drift]), capsys)
    assert "cpu up, then disk up" in said
    assert "inputs/cpu" in said
    assert "12.5" in said


def test_a_mean_over_what_did_not_recover_in_time_is_told_as_a_bound(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(report(), capsys).splitlines()
    none = next(line for line in lines if line.startswith("none "))
    loop = next(line for line in lines if line.startswith("loop "))
    assert "≥ 2.00 [1.50, 2.50]" in none
    assert "≥" not in loop
    assert any("95 % bootstrap" in line for line in lines)
    assert any(line.startswith("≥: ") for line in lines)


def test_a_world_with_a_log_of_its_own_says_when_the_cause_was_gone(capsys: pytest.CaptureFixture[str]) -> None:
    without = printed(report(), capsys)
    with_log = printed(report(lab=score([], [])), capsys)
    assert "until the cause was gone" not in without
    assert "until the cause was gone" in with_log
    assert "0 faults injected" in with_log


def test_a_report_that_was_written_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(lab=score([], []))
    read_back = msgspec.json.decode(msgspec.json.encode(found), type=Report)
    assert printed(read_back, capsys) == printed(found, capsys)

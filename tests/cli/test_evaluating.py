"""`flyball evaluate` over a kept run, without Kafka."""

import json
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.errors import SettingsError
from streams.cli.main import flyball
from streams.operate.simulation import fleet_loop, simulate_fleet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the fleet's loop.toml, a copy that explores more, and a run are."""
    path = tmp_path_factory.mktemp("fleet")
    text = resources.files("streams.templates").joinpath("fleet.toml").read_text()
    (path / "loop.toml").write_text(text)
    (path / "bolder.toml").write_text(text.replace("[policy]", "[policy]\nfloor = 0.3"))
    (path / "wider.toml").write_text(text.replace("[levels]", "[actions.drain]\ncost = 0.0\n[levels]"))
    simulate_fleet(fleet_loop(None), seed=7, telemetry_events=9_000, on_progress=lambda _: None, save=path / "run")
    return path


def call(folder: Path, *arguments: str) -> Result:
    given = ["evaluate", "--config", str(folder / "loop.toml"), "--log", str(folder / "run"), *arguments]
    return CliRunner().invoke(flyball, given)


def told(folder: Path, *arguments: str) -> dict[str, dict[str, object]]:
    result = call(folder, *arguments, "--json")
    return {one["policy"]: one for one in json.loads(result.stdout)["policies"]}


def test_named_policies_are_one_table_with_what_no_log_can_tell(folder: Path) -> None:
    result = call(folder)
    assert result.exit_code == 0, result.output
    first, title, columns, *rows = result.output.splitlines()
    assert "entities that have ended; rewards are known of" in first
    assert title == "reward per decision, costs taken off"
    for name in ("reward", "95 % interval", "against running", "SNIPS", "differs", "evidence"):
        assert f"  {name}  " in f"{columns}  "
    assert [row.split()[0] for row in rows[:3]] == ["running", "none", "baseline"]
    assert "no log can tell:" in rows
    assert "\x1b" not in result.output


def test_json_holds_estimate_interval_and_evidence(folder: Path) -> None:
    found = told(folder)
    for one in found.values():
        assert one["low"] <= one["reward"] <= one["high"]  # type: ignore[operator]
        assert one["decisions"] > one["effective"] > 20  # type: ignore[operator]
        assert one["refused"] == ""
    assert found["running"]["better"] == 0.0


def test_the_policy_of_another_file_is_followed_through_the_whole_run(folder: Path) -> None:
    same, bolder = str(folder / "loop.toml"), str(folder / "bolder.toml")
    found = told(folder, "running", same, bolder)
    for name in ("reward", "low", "high", "differs", "decisions"):
        assert found[same][name] == pytest.approx(found["running"][name])
    assert found[bolder]["decisions"] == found["running"]["decisions"]


def test_what_the_log_cannot_tell_is_refused_with_the_reason_and_what_would_help(folder: Path) -> None:
    result = call(folder, str(folder / "wider.toml"))
    assert result.exit_code == 1
    assert "wider.toml: the log cannot tell: in " in result.output
    assert "it would end in drain where the log could hardly have shown that" in result.output
    assert "what would: decisions in which drain is eligible, may act, is measured" in result.output
    assert "not looked at" not in result.output  # that there is such an action is
    assert "reward per decision" not in result.output
    (one,) = told(folder, str(folder / "wider.toml")).values()
    assert one["reward"] is None
    assert "drain" in str(one["refused"])


def test_values_of_metrics_that_the_log_may_lack_are_said(folder: Path, tmp_path: Path) -> None:
    text = (folder / "loop.toml").read_text()
    without = tmp_path / "without.toml"
    without.write_text(text.replace("[policy]", "[policy]\nvalues = []"))
    arguments = ["evaluate", "-c", str(without), "--log", str(folder / "run"), str(folder / "loop.toml")]
    result = CliRunner().invoke(flyball, arguments)
    assert "loop.toml: policy.values has metrics that the log does not always hold: left out there" in result.output
    assert "not looked at" not in result.output
    assert "policy.values" not in call(folder, str(without)).output


def test_what_differs_and_is_not_looked_at_is_said(folder: Path, tmp_path: Path) -> None:
    slower, text = tmp_path / "slower.toml", (folder / "loop.toml").read_text()
    slower.write_text(text.replace("[policy]", "[policy]\nattempts = 1"))
    assert "slower.toml differs in what is not looked at, too: policy.attempts\n" in call(folder, str(slower)).output


def test_too_few_decisions_are_refused_with_how_many_are_missing(folder: Path, tmp_path: Path) -> None:
    simulate_fleet(
        fleet_loop(None), seed=7, telemetry_events=1_000, on_progress=lambda _: None, save=tmp_path / "short"
    )
    result = CliRunner().invoke(
        flyball, ["evaluate", "none", "-c", str(folder / "loop.toml"), "--log", str(tmp_path / "short")]
    )
    assert result.exit_code == 1
    assert "none: the log cannot tell: expected at least 20 decisions that have ended, got" in result.output
    assert "more decisions" in result.output


WRONG = [
    (("fast",), "POLICY: expected running, none, baseline or the path of a loop.toml, got 'fast'"),
    (("none", "--log", "."), "expected a run that"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_calls_say_what_was_expected(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = call(folder, *arguments)
    assert isinstance(result.exception, SettingsError)
    assert message in str(result.exception)


def test_help_teaches_the_policies_and_the_columns() -> None:
    text = CliRunner().invoke(flyball, ["evaluate", "--help"]).output
    assert "\n  running     the loop's own choices, without its hold-out\n" in text
    for part in ("doubly robust", '"against running"', '"evidence"', "--log run/"):
        assert part in " ".join(text.split())

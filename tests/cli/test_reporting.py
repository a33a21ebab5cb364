"""`flyball report` over a kept run of the real processors, without Kafka."""

from importlib import resources
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.cli.main import flyball
from streams.operate.proof_fields import Proof
from streams.operate.simulation import Simulation, fleet_loop, simulate_fleet

EVENTS = 14_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Simulation]:
    """Return where the fleet's loop.toml and a run are, and what was said when it ended."""
    path = tmp_path_factory.mktemp("fleet")
    text = resources.files("streams.templates").joinpath("fleet.toml").read_text()
    (path / "loop.toml").write_text(text)
    alone = text.replace("loop = 0.6, baseline = 0.2, none = 0.2", "loop = 1.0, baseline = 0.0, none = 0.0")
    (path / "alone.toml").write_text(alone)
    said = simulate_fleet(
        fleet_loop(None), seed=7, telemetry_events=EVENTS, on_progress=lambda _: None, save=path / "run"
    )
    return path, said


def call(path: Path, *arguments: str) -> Result:
    given = ["report", "--config", str(path / "loop.toml"), "--log", str(path / "run"), *arguments]
    return CliRunner().invoke(flyball, given)


def test_the_terminal_shows_lift_prices_minutes_and_when_it_had_paid(kept: tuple[Path, Simulation]) -> None:
    result = call(kept[0])
    assert result.exit_code == 0, result.output
    for said in (
        "arms of the hold-out (baseline: restart)",
        "minutes of people",
        "95 %, however often you look",
        "lift over baseline as it went",
        "price of exploring: ",
        "price of the hold-out: ",
        "the loop had paid for itself: ",
        "entities have no groups",
        "by pattern",
        "all arms begin with an alarm",
    ):
        assert said in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert [row[0] for row in rows if row and row[0] in ("baseline", "none")] == ["baseline", "none"] * 2
    assert "\x1b" not in result.output


def test_json_is_the_proof_that_the_runs_own_report_holds(kept: tuple[Path, Simulation]) -> None:
    result = call(kept[0], "--json")
    found = msgspec.json.decode(result.stdout, type=Proof)
    assert found == kept[1].report.proof
    assert found.lifts[0].over == "baseline"
    for lift in found.lifts:
        assert lift.low < lift.lift < lift.high
        assert lift.episodes > 150
    assert sum(arm.episodes for arm in found.arms) == found.episodes
    assert found.paid is not None
    assert -found.episodes < found.paid.value < found.episodes


def test_a_loop_without_a_hold_out_is_told_so(kept: tuple[Path, Simulation], tmp_path: Path) -> None:
    path = kept[0]
    config, log = path / "alone.toml", tmp_path / "run"
    runner = CliRunner()
    assert (
        runner.invoke(flyball, ["simulate", "-c", str(config), "--events", "3000", "--save", str(log)]).exit_code == 0
    )
    result = runner.invoke(flyball, ["report", "--config", str(config), "--log", str(log)])
    assert result.exit_code == 1
    assert "`hold_out` under [policy] gives them shares" in result.output

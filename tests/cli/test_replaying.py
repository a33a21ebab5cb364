"""`flyball profiles` and `flyball replay --settings` over a kept run, without Kafka."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.errors import SettingsError
from streams.cli.main import flyball
from streams.operate.memory_reader import MemoryReader
from streams.operate.recorded_run import About, save_run
from tests.loop.gate_bench import SECOND, outcome, proposal
from tests.replay.gate_run import TEXT, GateRun, action_of, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where a loop.toml is, and its run with twelve actions."""
    (tmp_path / "loop.toml").write_text(TEXT)
    run = GateRun(settings())
    for n in range(12):
        ask = proposal(f"p{n}", entity=f"e{n % 10}", episode=f"episode-e{n % 10}", time_us=run.us)
        action = action_of(run.give(ask))
        run.us += SECOND
        run.give(outcome(action, "succeeded"))
        run.us += 60 * SECOND
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    return tmp_path


def call(folder: Path, *arguments: str) -> Result:
    command, *rest = arguments
    given = [command, "--config", str(folder / "loop.toml"), *rest]
    return CliRunner().invoke(flyball, given, catch_exceptions=True)


def test_profiles_are_one_table_in_plain_text_with_what_cannot_be_told(folder: Path) -> None:
    result = call(folder, "profiles", "--from", str(folder / "run"))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    rows = {line.split("  ")[0].strip(): line.split() for line in lines[2:6]}
    assert rows["as recorded"][2] == "12"
    assert rows["speed (in force)"][3:6] == ["12", "+0", "-0"]
    assert rows["risk"][1:4] == ["2", "+0", "-10"]  # without a census a fifth of all entities is one in ten minutes
    assert "written out in the file, so the same under each: gate.abnormal_share, levels.default" in result.output
    assert "the log cannot tell:" in result.output
    assert "what up to 10 actions would have changed" in result.output
    assert "\x1b" not in result.output


def test_profiles_as_json_name_the_one_in_force(folder: Path) -> None:
    told = json.loads(call(folder, "profiles", "--from", str(folder / "run"), "--json").stdout)
    assert told["in_force"] == "speed"
    assert [one["name"] for one in told["profiles"]] == ["risk", "speed", "cost"]


def test_other_settings_show_every_verdict_that_changes(folder: Path) -> None:
    (folder / "other.toml").write_text(TEXT.replace("[gate]", '[gate]\nloop_limit = "10/day"'))
    result = call(folder, "replay", "--from", str(folder / "run"), "--settings", str(folder / "other.toml"))
    assert result.exit_code == 0, result.output
    assert "2 verdicts change; 12 actions become 10 (0 added, 2 removed, 0 at another time)" in result.output
    assert "allow     deny (loop-budget)" in result.output
    assert "cost of actions: 1.20 becomes 1.00" in result.output


def test_the_same_settings_change_nothing_and_leave_nothing_open(folder: Path) -> None:
    result = call(folder, "replay", "--from", str(folder / "run"), "--settings", str(folder / "loop.toml"))
    assert "0 verdicts change" in result.output
    assert "cannot tell" not in result.output


WRONG = [
    (("replay", "--from", "run"), "--from needs --settings"),
    (("replay", "--settings", "loop.toml", "--role", "gate"), "--role cannot be given beside it"),
    (("replay", "--save", "new", "--settings", "loop.toml"), "--save stands alone"),
    (("profiles", "--from", "."), "expected a run"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_does_not_go_together_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(folder)
    error = call(folder, *arguments).exception
    assert isinstance(error, SettingsError)
    assert message in str(error)


def test_what_the_record_lacks_is_said_before_any_number(folder: Path) -> None:
    path = folder / "run" / "policy.ndjson"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:6]))
    for command in (("profiles",), ("replay", "--settings", str(folder / "loop.toml"))):
        result = call(folder, *command, "--from", str(folder / "run"))
        assert result.output.startswith("MISSING: the inputs policy/0[6:7] of step"), result.output
        assert "6 recorded proposals under" in result.output
    path.write_bytes(b"")
    error = call(folder, "profiles", "--from", str(folder / "run")).exception
    assert "nothing can be compared" in str(error)


def test_the_run_of_another_loop_is_refused(folder: Path) -> None:
    (folder / "loop.toml").write_text(TEXT.replace('name = "lab"', 'name = "other"'))
    error = call(folder, "profiles", "--from", str(folder / "run")).exception
    assert "holds a run of loop lab, expected one of other" in str(error)


def test_simulate_keeps_a_run_that_profiles_read(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text(TEXT + "[fleet]\nentities = 8\n")
    kept = call(tmp_path, "simulate", "--events", "400", "--save", str(tmp_path / "run"), "--json")
    assert kept.exit_code == 0, kept.output
    told = json.loads(call(tmp_path, "profiles", "--from", str(tmp_path / "run"), "--json").stdout)
    assert [len(one["changes"]) for one in told["profiles"] if one["name"] == "speed"] == [0]
    again = call(tmp_path, "simulate", "--events", "400", "--save", str(tmp_path / "run")).exception
    assert "is there already" in str(again)

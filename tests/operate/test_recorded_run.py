"""A run kept in a folder is the run."""

from pathlib import Path

import pytest

from schemas.errors import SettingsError
from streams.loop.decode import make_decode
from streams.operate.memory_reader import MemoryReader
from streams.operate.recorded_run import About, RecordedRun, save_run
from streams.operate.what_if import what_if
from tests.loop.gate_bench import SECOND, outcome, proposal
from tests.replay.gate_run import GateRun, action_of, settings


@pytest.fixture
def run() -> GateRun:
    run = GateRun(settings())
    for n in range(4):
        action = action_of(run.give(proposal(f"p{n}", entity=f"e{n}", episode=f"episode-e{n}", time_us=run.us)))
        run.us += SECOND
        run.give(outcome(action, "succeeded"))
    return run


def test_a_copy_tells_under_other_settings_what_the_run_itself_does(run: GateRun, tmp_path: Path) -> None:
    reader = MemoryReader(run.log)
    kept = save_run(reader, tmp_path / "run", About(loop="lab"))
    copy = RecordedRun(tmp_path / "run")
    assert kept == sum(1 for _ in copy.records([path.stem for path in (tmp_path / "run").glob("*.ndjson")]))
    assert copy.about.audience is None
    other = {"tight": settings('loop_limit = "2/hour"'), "same": run.settings}
    found = what_if(copy, run.settings, other, make_decode=make_decode)
    assert found == what_if(reader, run.settings, other, make_decode=make_decode)
    assert [len(one.removed) for one in found] == [2, 0]


def test_a_folder_that_is_there_is_never_written_to_and_one_without_a_run_says_so(run: GateRun, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is there already"):
        save_run(MemoryReader(run.log), tmp_path, About(loop="lab"))
    with pytest.raises(SettingsError, match=r"run\.json: expected a run that `flyball replay --save` kept"):
        RecordedRun(tmp_path)


def test_a_damaged_line_is_named(run: GateRun, tmp_path: Path) -> None:
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    with (tmp_path / "run" / "verdicts.ndjson").open("a") as file:
        file.write("{half a li\n")
    with pytest.raises(SettingsError, match=r"verdicts\.ndjson:\d+: expected a record"):
        list(RecordedRun(tmp_path / "run").events("verdicts"))

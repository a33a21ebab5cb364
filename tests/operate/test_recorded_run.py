"""A run kept in a folder is the run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from schemas.errors import BrokerError, SettingsError
from schemas.keyfiles import create_keys
from streams.loop.decode import make_decode
from streams.operate.loop_place import LoopPlace
from streams.operate.memory_reader import MemoryReader
from streams.operate.recorded_run import LINE_BYTES, About, RecordedRun, save_run
from streams.operate.runs import open_run
from streams.operate.topic_reader import StoredRecord
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
    with pytest.raises(SettingsError, match=r"run\.json: expected a run that `flyball replay --save FOLDER` kept"):
        RecordedRun(tmp_path)


def test_a_damaged_line_is_named(run: GateRun, tmp_path: Path) -> None:
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    with (tmp_path / "run" / "verdicts.ndjson").open("a") as file:
        file.write("{half a li\n")
    with pytest.raises(SettingsError, match=r"verdicts\.ndjson:\d+: expected a record"):
        list(RecordedRun(tmp_path / "run").events("verdicts"))


def line(topic: str, partition: int, offset: int) -> bytes:
    record = StoredRecord(
        topic=topic, partition=partition, offset=offset, key=None, value=b"{}", headers=(), timestamp_us=0
    )
    return msgspec.json.encode(record) + b"\n"


DAMAGED = [
    (line("verdicts", 0, 99), "expected a record of policy from offset 4 on, got verdicts/0/99"),
    (line("policy", 0, 3), "from offset 4 on, got policy/0/3"),
    (line("policy", -1, 99), "from offset 0 on, got policy/-1/99"),
    (b"[" * 2_000 + b"\n", "expected a record, got"),
    (b" " * (LINE_BYTES + 1), f"expected a record of at most {LINE_BYTES} bytes"),
]


@pytest.mark.parametrize(("added", "message"), DAMAGED)
def test_what_a_topic_cannot_hold_is_refused(run: GateRun, tmp_path: Path, added: bytes, message: str) -> None:
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    with (tmp_path / "run" / "policy.ndjson").open("ab") as file:
        file.write(added)
    with pytest.raises(SettingsError) as refused:
        list(RecordedRun(tmp_path / "run").records(["policy"]))
    assert "policy.ndjson:5: " in str(refused.value)
    assert message in str(refused.value)


def test_a_journal_names_no_file_but_those_of_a_copy(run: GateRun, tmp_path: Path) -> None:
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    (tmp_path / "other.ndjson").write_bytes(line("../other", 0, 0))
    with pytest.raises(SettingsError, match=r"expected a topic that is kept, got '\.\./other'"):
        RecordedRun(tmp_path / "run").read_range("../other", 0, 0, 1)


def test_ranges_are_read_forward_holes_left_out(run: GateRun, tmp_path: Path) -> None:
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab"))
    path = tmp_path / "run" / "policy.ndjson"
    path.write_bytes(
        b"".join(kept for kept in path.read_bytes().splitlines(keepends=True) if b'"offset":1,' not in kept)
    )
    copy = RecordedRun(tmp_path / "run")
    found = [copy.read_range("policy", 0, start, stop) for start, stop in ((0, 2), (2, 3), (3, 9), (9, 12))]
    assert [None if batch is None else list(batch.offsets) for batch in found] == [[0], [2], [3], None]


class Growing(MemoryReader):
    """A run that goes on while it is copied: one proposal more behind every topic."""

    def __init__(self, run: GateRun) -> None:
        super().__init__(run.log)
        self._run = run

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        yield from super().records(topics)
        self._run.us += SECOND
        self._run.give(proposal(f"meanwhile-{topics[0]}", entity="e9", episode="episode-e9", time_us=self._run.us))


def test_a_run_that_goes_on_while_it_is_copied_is_whole_in_the_copy(run: GateRun, tmp_path: Path) -> None:
    save_run(Growing(run), tmp_path / "run", About(loop="lab"))
    (found,) = what_if(RecordedRun(tmp_path / "run"), run.settings, {"same": run.settings}, make_decode=make_decode)
    assert (found.proposals, found.changes, found.missing) == (4, (), "")


class Silent(MemoryReader):
    """A run whose broker ends in the middle."""

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        yield from super().records(topics)
        raise BrokerError("no answer")


def test_a_copy_is_kept_whole_or_not_at_all(run: GateRun, tmp_path: Path) -> None:
    with pytest.raises(BrokerError):
        save_run(Silent(run.log), tmp_path / "run", About(loop="lab"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="a run cannot be kept there"):
        save_run(MemoryReader(run.log), tmp_path / "file" / "run", About(loop="lab"))


def test_a_signed_copy_is_believed_by_the_root_key_that_this_machine_pins(run: GateRun, tmp_path: Path) -> None:
    create_keys(tmp_path / "theirs")
    save_run(MemoryReader(run.log), tmp_path / "run", About(loop="lab", cluster="c"), keys=tmp_path / "theirs")
    place = LoopPlace(config=tmp_path / "loop.toml", settings=run.settings)
    with pytest.raises(SettingsError, match="expected a keyring among the orders"), open_run(place, tmp_path / "run"):
        pass
    create_keys(place.keys)
    with (
        pytest.raises(SettingsError, match=r"root\.pub: expected the root key that"),
        open_run(place, tmp_path / "run"),
    ):
        pass

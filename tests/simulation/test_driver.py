import pytest
from msgspec.structs import replace

from schemas.errors import FencedError
from schemas.events import JournalEntry, Telemetry
from schemas.raw import Message, RawBatch
from streams.replay import MemoryLog, backtest, replay_run
from streams.replay.driver import Driver
from streams.replay.reading import ReadRange, read_events
from tests.simulation.judged import TELEMETRY_EVENTS, driver_of
from tests.simulation.loop import LOOP, SETTINGS_HASH, role_factory

SEED = 3


def message(value: bytes, topic: str = "policy") -> Message:
    return Message(topic=topic, key=b"k", value=value)


def read_values(log: MemoryLog) -> list[bytes | None]:
    batch = log.read("policy", 0, 0)
    return [] if batch is None else list(batch.values)


@pytest.fixture(scope="module")
def finished() -> Driver:
    driver = driver_of(SEED)
    driver.run(telemetry_events=TELEMETRY_EVENTS)
    return driver


def test_what_a_transaction_wrote_is_read_only_after_its_commit() -> None:
    log = MemoryLog()
    producer = log.producer("a")
    producer.send([message(b"1")])
    log.append(message(b"2"))
    assert read_values(log) == []
    producer.commit()
    assert read_values(log) == [b"1", b"2"]


def test_an_open_transaction_ends_when_a_newer_owner_appears_and_the_older_one_is_fenced() -> None:
    log = MemoryLog()
    zombie = log.producer("a")
    zombie.send([message(b"1")])
    log.producer("a").send([message(b"2")])
    with pytest.raises(FencedError):
        zombie.commit()
    assert read_values(log) == []


def test_markers_leave_holes_in_the_offsets() -> None:
    log = MemoryLog()
    producer = log.producer("a")
    for value in (b"1", b"2"):
        producer.send([message(value)])
        producer.commit()
    batch = log.read("policy", 0, 0)
    assert batch is not None
    assert list(batch.offsets) == [0, 2]


def test_a_seed_gives_the_same_log_to_the_last_byte(finished: Driver) -> None:
    again = driver_of(SEED)
    again.run(telemetry_events=TELEMETRY_EVENTS)
    for topic in finished.log.topics():
        for partition in range(finished.log.partitions(topic)):
            assert again.log.read(topic, partition, 0) == finished.log.read(topic, partition, 0)


def test_every_step_of_a_run_comes_out_again(finished: Driver) -> None:
    entries = [e for _, e in read_events(finished.log, "journal-decide", 0, 0) if isinstance(e, JournalEntry)]
    replayed = replay_run(role_factory(seed=SEED)("decide", 0), entries, finished.log.read_range, loop=LOOP)
    assert replayed.steps == len(entries) > 50
    assert replayed.mismatches == ()


def test_one_altered_input_byte_is_a_difference(finished: Driver) -> None:
    entries = [e for _, e in read_events(finished.log, "journal-detect", 0, 0) if isinstance(e, JournalEntry)]
    replayed = replay_run(role_factory(seed=SEED)("detect", 0), entries, altered(finished.log), loop=LOOP)
    assert "not the bytes that were folded" in replayed.mismatches[0].detail


def test_inputs_that_are_gone_end_the_replay_with_their_name(finished: Driver) -> None:
    entries = [e for _, e in read_events(finished.log, "journal-detect", 0, 0) if isinstance(e, JournalEntry)]
    replayed = replay_run(role_factory(seed=SEED)("detect", 0), entries, lambda *_: None, loop=LOOP)
    assert replayed.steps == 0
    assert replayed.missing is not None
    assert "are gone" in replayed.missing


def test_a_backtest_proposes_for_the_recorded_failures() -> None:
    kinds = {
        type(event).__name__
        for event in backtest(
            loop=LOOP, settings_hash=SETTINGS_HASH, make_role=role_factory(seed=SEED), samples=recorded()
        )
    }
    assert {"Episode", "Recurrence", "Proposal", "Verdict"} <= kinds


def recorded() -> list[Telemetry]:
    """Return twenty minutes of one host, a sample a second, that fails for half a minute every five minutes."""
    return [
        Telemetry(
            entity="host", time=1_700_000_000_000_000 + second * 1_000_000, values={"cpu": 20.0 + second % 3 + failing}
        )
        for second in range(1_200)
        for failing in [60.0 if second % 300 > 270 else 0.0]
    ]


def altered(log: MemoryLog) -> ReadRange:
    """Read a log in which one digit of one sample is another one."""

    def read_range(topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        batch = log.read_range(topic, partition, start, stop)
        if batch is None or topic != "telemetry" or not start <= 40 < stop:
            return batch
        values = [value and value.replace(b'"m0":', b'"m0":9', 1) for value in batch.values]
        return replace(batch, values=values)

    return read_range

"""Taking over a partition on a real broker: fence, replay, refuse, or go on with a loss that is written down."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import TopicPartition

from connectors.kafka.launcher import LocalKafka
from schemas.connection import KafkaConnection
from schemas.errors import FencedError, RecoveryError
from schemas.events import Event, JournalEntry, Loss
from schemas.kafka import make_admin, make_producer
from streams.runtime.clock import LoopClock
from streams.runtime.inbox import Fetched
from streams.runtime.log_reader import InputReader
from streams.runtime.metrics import Metrics
from streams.runtime.partition import PartitionOwner
from streams.runtime.recovery import accept_loss
from streams.runtime.spec import WorkerSpec
from streams.runtime.takeover import Takeover, take_over
from tests.kafka.log import KafkaLog
from tests.kafka.subject import Sample, Subject, make_role, spec_of

PARTITION = 0


@dataclass(kw_only=True)
class Place:
    """One loop on the broker, fed and folded by hand. Partition 0 is the only one used."""

    spec: WorkerSpec
    written: int = 0
    failures: list[BaseException] = field(default_factory=list)

    @property
    def connection(self) -> KafkaConnection:
        return self.spec.connection

    def feed(self, count: int) -> None:
        """Write samples to the source."""
        producer = make_producer(self.connection, linger_ms=0)
        for number in range(self.written, self.written + count):
            values = {"cpu": number % 7 / 7, "latency": number % 13 * 1.0, "memory": 1.0}
            sample = Sample(entity="h1", time=number, values=values)
            producer.produce(self.spec.full_name("telemetry"), msgspec.json.encode(sample), partition=PARTITION)
        producer.flush(10)
        self.written += count

    def take(self, **changes: object) -> Takeover:
        """Take over with a spec that differs in something."""
        return take_over(replace(self.spec, **changes), partition=PARTITION, clock=LoopClock())  # type: ignore[arg-type]

    def owner(self, takeover: Takeover, *, clock: LoopClock | None = None) -> PartitionOwner:
        """Return a running owner."""
        owner = PartitionOwner(
            self.spec,
            partition=PARTITION,
            takeover=takeover,
            clock=clock or LoopClock(),
            heard_us=lambda: 0,
            metrics=Metrics(loop=self.spec.loop, role=self.spec.role),
            failed=lambda _, error: self.failures.append(error),
        )
        owner.start()
        return owner

    def fold(self, owner: PartitionOwner) -> None:
        """Hand the owner what was not folded yet, and wait until it is committed."""
        start = owner.position("telemetry")
        with InputReader(self.connection, prefix=f"{self.spec.loop}.") as reader:
            batch = reader.batch("telemetry", PARTITION, start, self.written)
        owner.inbox.put(Fetched(batch=batch, start=start, stop=self.written))
        until(lambda: self.failures or owner.position("telemetry") == self.written)

    def steps(self) -> list[JournalEntry]:
        """Return the journal."""
        return [event for event in self.log("journal-detect") if isinstance(event, JournalEntry)]

    def log(self, topic: str) -> list[Event]:
        """Return the events of a topic."""
        return list(KafkaLog(self.connection, self.spec.loop).events(topic))

    def remove_before(self, offset: int) -> None:
        """Do what retention does."""
        place = TopicPartition(self.spec.full_name("telemetry"), PARTITION, offset)
        admin = make_admin(self.connection)
        (removed,) = admin.delete_records([place]).values()
        removed.result(20)


def until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def place(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Place:
    loop = loop_on_kafka(telemetry=1)
    subject = Subject(loop=loop, bootstrap=broker.bootstrap, instance="w0", data=str(tmp_path), partitions=1)
    return Place(spec=replace(spec_of(subject), replay_limit_s=1e9))


def folded_once(place: Place, count: int = 30) -> PartitionOwner:
    place.feed(count)
    owner = place.owner(place.take())
    place.fold(owner)
    return owner


def test_the_heir_of_a_killed_owner_has_its_state_to_the_bit_and_writes_nothing_again(place: Place) -> None:
    gone = folded_once(place).release(snapshot=False)
    assert gone is not None
    before = len(place.log("insights"))
    takeover = place.take()
    assert takeover.replayed == takeover.held.step >= 1
    assert takeover.held.role.snapshot() == gone.role.snapshot()
    assert takeover.positions["telemetry"] == 30
    assert len(place.log("insights")) == before


def test_a_zombie_is_fenced_at_its_next_step(place: Place) -> None:
    zombie = folded_once(place)
    heir = place.owner(place.take())
    place.feed(10)
    place.fold(zombie)
    until(lambda: place.failures)
    assert isinstance(place.failures.pop(), FencedError)
    place.fold(heir)
    assert place.failures == []
    steps = [entry.step for entry in place.steps()]
    assert steps == list(range(len(steps)))


def test_after_a_clean_stop_nothing_is_replayed(place: Place) -> None:
    folded_once(place).release(snapshot=True)
    takeover = place.take()
    assert (takeover.replayed, takeover.positions["telemetry"]) == (0, 30)


def test_a_released_state_is_taken_over_again_without_reading_it(place: Place) -> None:
    kept = folded_once(place).release(snapshot=False)
    assert kept is not None
    takeover = take_over(place.spec, partition=PARTITION, clock=LoopClock(), kept=kept)
    assert (takeover.replayed, takeover.held.role) == (0, kept.role)


def test_another_version_of_the_code_starts_only_behind_a_snapshot(place: Place) -> None:
    owner = folded_once(place)
    with pytest.raises(RecoveryError, match="taken by version 1, this is 2"):
        place.take(code="2")
    again = place.owner(place.take())
    again.release(snapshot=True)
    owner.release(snapshot=False)
    assert place.take(code="2").replayed == 0


def test_a_fold_that_comes_out_otherwise_is_refused_with_the_remedy(place: Place) -> None:
    folded_once(place).release(snapshot=False)
    with pytest.raises(RecoveryError, match=r"step 0 does not come out as recorded .* --accept-loss"):
        place.take(make_role=lambda partition: make_role("other", partition))


def test_telemetry_gone_before_it_was_folded_is_recorded_as_loss(place: Place) -> None:
    folded_once(place).release(snapshot=True)
    place.feed(30)
    place.remove_before(45)
    takeover = place.take()
    assert takeover.positions["telemetry"] == 45
    (loss,) = [event for event in place.log("insights") if isinstance(event, Loss)]
    assert (loss.source, loss.partition, loss.start, loss.stop) == ("telemetry", 0, 30, 45)
    place.fold(place.owner(takeover))
    replayed = place.take()
    assert replayed.replayed >= 2
    assert replayed.positions["telemetry"] == 60


def test_inputs_of_the_journal_that_are_gone_need_a_person(place: Place) -> None:
    folded_once(place).release(snapshot=False)
    place.feed(30)
    place.remove_before(40)
    with pytest.raises(RecoveryError, match=r"inputs telemetry/0\[0:30\] of step 0 are gone; .*--accept-loss"):
        place.take()
    (line,) = accept_loss(place.spec)
    assert "telemetry/0[0:40]" in line
    takeover = place.take()
    assert (takeover.replayed, takeover.positions["telemetry"]) == (0, 40)
    assert takeover.held.step == len(place.steps())
    place.fold(place.owner(takeover))
    assert place.failures == []


def test_a_machine_whose_clock_is_far_from_the_brokers_pauses_and_says_so(place: Place) -> None:
    place.feed(5)
    ahead = LoopClock(wall_us=lambda: time.time_ns() // 1_000 + 9_000_000)
    owner = place.owner(place.take(), clock=ahead)
    place.fold(owner)
    until(lambda: owner.paused)
    assert "-9.0 s from this machine's" in (owner.paused or "")
    steps = len(place.steps())
    time.sleep(1.0)
    assert len(place.steps()) == steps


def test_a_due_timer_is_a_step_without_inputs(place: Place) -> None:
    owner = folded_once(place)
    until(lambda: any(not entry.inputs for entry in place.steps()))
    owner.release(snapshot=True)
    assert [type(event).__name__ for event in place.log("insights")].count("Census") >= 1


def test_a_topic_whose_beginning_is_gone_is_read_from_what_is_left(place: Place) -> None:
    place.feed(50)
    place.remove_before(40)
    assert [record.offset for record in KafkaLog(place.connection, place.spec.loop).read("telemetry")] == [
        *range(40, 50)
    ]

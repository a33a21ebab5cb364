"""One loop on a broker, fed, folded and taken over by hand; partition 0 is the only one used."""

from dataclasses import dataclass, field, replace

import msgspec
from confluent_kafka import TopicPartition

from schemas.clock import LoopClock
from schemas.connection import KafkaConnection
from schemas.events import Event, JournalEntry
from schemas.kafka import make_admin, make_producer
from streams.runtime.inbox import Fetched
from streams.runtime.log_reader import InputReader
from streams.runtime.metrics import Metrics
from streams.runtime.partition import PartitionOwner
from streams.runtime.spec import WorkerSpec
from streams.runtime.takeover import Takeover, take_over
from tests.kafka.log import KafkaLog
from tests.kafka.subject import Sample
from tests.patience import PATIENCE_S, eventually

PARTITION = 0


@dataclass(kw_only=True)
class Place:
    """The loop, and how many samples it was fed."""

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
        assert producer.flush(PATIENCE_S) == 0
        self.written += count

    def take(self, *, clock: LoopClock | None = None, **changes: object) -> Takeover:
        """Take over with a spec that differs in something."""
        return take_over(replace(self.spec, **changes), partition=PARTITION, clock=clock or LoopClock())  # type: ignore[arg-type]

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

    def hand(self, owner: PartitionOwner) -> None:
        """Hand the owner what was not folded yet."""
        start = owner.position("telemetry")
        with InputReader(self.connection, prefix=f"{self.spec.loop}.") as reader:
            batch = reader.batch("telemetry", PARTITION, start, self.written)
        owner.inbox.put(Fetched(batch=batch, start=start, stop=self.written))

    def fold(self, owner: PartitionOwner) -> None:
        """Hand the owner what was not folded yet, and wait until it is committed."""
        self.hand(owner)
        eventually(lambda: self.failures or owner.position("telemetry") == self.written)

    def steps(self) -> list[JournalEntry]:
        """Return the journal."""
        return [event for event in self.log("journal-detect") if isinstance(event, JournalEntry)]

    def log(self, topic: str) -> list[Event]:
        """Return the events of a topic."""
        return list(KafkaLog(self.connection, self.spec.loop).events(topic))

    def values(self, topic: str) -> list[bytes | None]:
        """Return the values of a topic, events or not."""
        return KafkaLog(self.connection, self.spec.loop).values(topic)

    def remove_before(self, offset: int) -> None:
        """Do what retention does."""
        place = TopicPartition(self.spec.full_name("telemetry"), PARTITION, offset)
        admin = make_admin(self.connection)
        (removed,) = admin.delete_records([place]).values()
        removed.result(PATIENCE_S)


def folded_once(place: Place, count: int = 30) -> PartitionOwner:
    place.feed(count)
    owner = place.owner(place.take())
    place.fold(owner)
    return owner

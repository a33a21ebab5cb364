"""A loop's topics read back from a real broker: the evidence that the checker of the promises judges."""

from collections.abc import Callable, Iterator, Sequence

from schemas import wire
from schemas.connection import KafkaConnection
from schemas.events import Event
from schemas.kafka import headers_of, make_admin
from schemas.topics import TOPICS
from streams.loop.role import Role
from streams.loop.snapshot import newest_snapshot
from streams.runtime.log_reader import PartitionReader
from tests.patience import PATIENCE_S
from tests.promises.evidence import Evidence, LogRecord


class KafkaLog:
    """Reads whole topics, committed records only, each once."""

    def __init__(self, connection: KafkaConnection, loop: str) -> None:
        self._connection = connection
        self._loop = loop
        self._known = make_admin(connection).list_topics(timeout=PATIENCE_S).topics
        self._read: dict[str, list[LogRecord]] = {}

    def partitions(self, topic: str) -> int:
        """Return how many partitions a registry topic has."""
        return len(self._known[TOPICS[topic].full_name(self._loop)].partitions)

    def read(self, topic: str) -> list[LogRecord]:
        """Return all committed records, partition by partition in offset order."""
        if topic not in self._read:
            self._read[topic] = [record for p in range(self.partitions(topic)) for record in self._partition(topic, p)]
        return self._read[topic]

    def values(self, topic: str) -> list[bytes | None]:
        """Return the values of a topic."""
        return [record.value for record in self.read(topic)]

    def events(self, topic: str) -> Iterator[Event]:
        """Yield the events of a topic."""
        for record in self.read(topic):
            yield wire.decode(topic, record.value, record.headers)

    def state(self, role: str, partition: int) -> bytes | None:
        """Return the state in the newest snapshot of a partition."""
        topic = f"state-{role}"
        records = (record for record in self.read(topic) if record.partition == partition)
        events = (wire.decode(topic, record.value, record.headers) for record in records)
        newest = newest_snapshot(events, role=role, partition=partition)
        return None if newest is None else newest.state

    def evidence(self, *, roles: Sequence[str], make_role: Callable[[str, int], Role]) -> Evidence:
        """Return what the checker needs; the states are those of the last snapshots (all workers stopped cleanly)."""
        states = {(role, p): self.state(role, p) for role in roles for p in range(self.partitions(f"journal-{role}"))}
        return Evidence(
            loop=self._loop,
            roles=roles,
            read=self.read,
            make_role=make_role,
            states={place: state for place, state in states.items() if state is not None},
        )

    def _partition(self, topic: str, partition: int) -> Iterator[LogRecord]:
        name = TOPICS[topic].full_name(self._loop)
        with PartitionReader(self._connection, topic=name, partition=partition) as reader:
            for record in reader.to_end():
                yield LogRecord(
                    topic=topic,
                    partition=partition,
                    offset=record.offset(),
                    key=record.key(),
                    value=record.value(),
                    headers=headers_of(record),
                )

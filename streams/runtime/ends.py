"""Where the sources of a worker end, as the broker tells a client that fetches nothing.

The fetching client's own idea of an end comes with what it fetches: one that fell silent believes that nothing is left.
"""

from collections.abc import Iterable

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.kafka import make_admin
from streams.runtime.spec import WorkerSpec

_ANSWER_S = 5.0


class SourceEnds:
    """Remembers the latest answer; `ask` blocks, so not for the event loop."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._admin = make_admin(spec.connection)
        self._ends: dict[tuple[str, int], int] = {}

    def ask(self, partitions: Iterable[int]) -> None:
        """Ask where what is committed ends, in all group sources; what is not answered stays as it was."""
        places = {
            TopicPartition(self._spec.full_name(topic), partition): (topic, partition)
            for topic in self._spec.group_sources()
            for partition in partitions
        }
        if not places:
            return
        answers = self._admin.list_offsets(
            {place: OffsetSpec.latest() for place in places},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_ANSWER_S,
        )
        for place, answer in answers.items():
            try:
                self._ends[places[place]] = answer.result(_ANSWER_S).offset
            except (KafkaException, TimeoutError):
                continue

    def end(self, topic: str, partition: int) -> int:
        """Return the offset behind the last record, as far as is known; 0 where it is not."""
        return self._ends.get((topic, partition), 0)

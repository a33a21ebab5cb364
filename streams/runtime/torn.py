"""Transactions that Kafka left without an end: found at a takeover, and ended.

A broker that comes back may complete a transaction whose partitions have no leader at that moment without writing the
markers that end it there (KAFKA-20734, in Kafka 4.1 to 4.4). Its records stay hidden from readers of committed records,
and hide all that follows; and the next transaction of the same producer would end them with its own marker: a step
that recovery had not seen would come back beside the one taken in its place. So whoever takes over looks whether the
journal or the state of its partition holds records behind the last decided one, which nobody but its former owners can
have written, and aborts them with a transaction of its own in every partition that the role may write.

Not found are a tear that an idle owner lives through, and one whose journal has its end and an output has not: Kafka
4.0 does not tear transactions, and is what to run on a lone broker.
"""

import time
from collections.abc import Iterator

from schemas.errors import RecoveryError
from schemas.kafka import make_consumer, range_of
from schemas.raw import Message
from schemas.topics import TOPICS
from streams.loop.snapshot import STATE
from streams.loop.step import JOURNAL
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer

_MARKERS_S = 30.0
_POLL_S = 0.05


def undecided(spec: WorkerSpec, partition: int) -> list[str]:
    """Return the topics of a partition's own that hold records of an unfinished transaction; raises `BrokerError`.

    Right after `StepProducer.open`, and between the transactions of one producer, there is none.
    """
    committed, all_ends = _ends(spec, partition, "read_committed"), _ends(spec, partition, "read_uncommitted")
    return [topic for topic in committed if committed[topic] < all_ends[topic]]


def mend(spec: WorkerSpec, partition: int, producer: StepProducer) -> list[str]:
    """Abort what former owners left undecided, if anything; returns the topics where something was found.

    `producer` is open, so no former owner writes any more. Raises `RecoveryError` when it does not help, which a
    person must look into (`kafka-transactions.sh find-hanging`), and `BrokerError`.
    """
    found = undecided(spec, partition)
    if not found:
        return []
    producer.write_and_abort([nothing(*place) for place in _places(spec, partition, producer)])
    left = await_decided(spec, partition)
    if left:
        raise RecoveryError(
            f"{spec.loop}/{spec.role}/{partition}: expected to end an unfinished transaction in {left}, but it is "
            "still there; `kafka-transactions.sh find-hanging` shows whose it is"
        )
    return found


def await_decided(spec: WorkerSpec, partition: int) -> list[str]:
    """Wait until nothing of a partition's own is undecided, and return what still is after half a minute; raises
    `BrokerError`.
    """
    deadline = time.monotonic() + _MARKERS_S
    while (found := undecided(spec, partition)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return found


def _ends(spec: WorkerSpec, partition: int, isolation: str) -> dict[str, int]:
    consumer = make_consumer(spec.connection, group="flyball-tail", isolation_level=isolation)
    try:
        return {
            topic: range_of(consumer, spec.full_name(topic), partition)[1]
            for topic in (f"{JOURNAL}-{spec.role}", f"{STATE}-{spec.role}")
        }
    finally:
        consumer.close()


def _places(spec: WorkerSpec, partition: int, producer: StepProducer) -> Iterator[tuple[str, int]]:
    own = (f"{JOURNAL}-{spec.role}", f"{STATE}-{spec.role}")
    for topic in TOPICS.values():
        if topic.name in own:
            yield topic.name, partition
        elif spec.role in topic.written_by and not topic.name.startswith((f"{JOURNAL}-", f"{STATE}-")):
            yield from ((topic.name, number) for number in range(producer.partitions_of(topic.name)))


def nothing(topic: str, partition: int) -> Message:
    """Return a record for a transaction to abort: never seen, it exists for its receipt and the marker behind it."""
    return Message(topic=topic, key=b"nothing", value=b"", headers=(), partition=partition)

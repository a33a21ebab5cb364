"""One crash run: workers of the small role, a feeder, a seeded list of blows, and what the log says afterwards."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition

from connectors.kafka.admin import apply_topics
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.events import JournalEntry
from schemas.kafka import make_consumer
from schemas.raw import RawBatch
from streams.loop.processor import Now
from streams.loop.step import take_step
from streams.runtime.log_reader import PartitionReader
from tests.kafka.log import KafkaLog
from tests.kafka.processes import Feeder, WorkerProcess, subject_process
from tests.kafka.subject import Regression, Subject, make_role
from tests.patience import PATIENCE_S
from tests.promises.chaos import chaos_plan
from tests.promises.checker import check_promises, report
from tests.promises.evidence import Evidence

ROLE = "detect"
SESSION_S = 6.0
ZOMBIE_S = SESSION_S + 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One signal to one worker. A SIGSTOP lasts beyond the session, then the zombie wakes up."""

    worker: int
    signal: signal.Signals
    pause_s: float
    settle: bool
    """Whether the loop moves again before the pause begins; if not, the blow may fall into a takeover."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a run found."""

    violations: str
    steps: int
    exits: list[int]
    fenced: int
    """Zombies that were refused when they wrote; one that has nothing to write when it wakes up is told to leave."""
    successions: int
    """How often another writer went on with the journal of a partition."""
    returned: list[str]
    """Writers with a step behind one of their heirs: zombies that nobody kept from writing."""
    unequal: list[int]
    """Partitions whose recovered state is not that of an uninterrupted fold."""
    altered_steps_that_differ: int
    """Steps whose digest no longer fits after one byte of one input was altered."""
    recovery_s: list[float] = field(default_factory=list)
    """SIGKILL to the next step, per blow."""


def planned_blows(seed: int, *, workers: int, count: int) -> list[Blow]:
    """Return the kills of the one chaos plan as signals to processes; every signal and every worker has its turn."""
    plan = chaos_plan(seed, roles=[ROLE], partitions=workers, duration_us=count * 1_500_000, kills=count)
    times = [0, *(kill.after_us for kill in plan.kills)]
    return [
        Blow(
            worker=kill.partition,
            signal=signal.Signals[kill.signal],
            pause_s=min(2.0, max(0.3, (kill.after_us - before_us) / 1e6)),
            settle="takeover" not in kill.point,
        )
        for kill, before_us in zip(plan.kills, times, strict=False)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashRun:
    """`workers` processes on one loop of four partitions, and what happens to them."""

    connection: KafkaConnection
    loop: str
    folder: Path
    workers: int = 1
    blows: tuple[Blow, ...] = ()
    events: int = 20_000
    partitions: int = 4
    disturb: Callable[[], None] | None = None
    """Called while events are being written, after the blows."""

    def run(self) -> Result:
        """Feed samples while the blows fall, let everything settle, stop cleanly, and judge."""
        apply_topics(self.connection, self.loop, partitions={"telemetry": self.partitions})
        self.folder.mkdir(parents=True, exist_ok=True)
        processes = [subject_process(self._subject(number), self.folder) for number in range(self.workers)]
        for process in processes:
            process.start()
        feeder = Feeder(self.connection, loop=self.loop, seed=len(self.blows), count=self.events, per_s=self._rate())
        feeder.start()
        ends = JournalEnds(self.connection, self.loop, self.partitions)
        try:
            ends.await_movement()
            moments = self._strike(processes, ends)
            if self.disturb is not None:
                self.disturb()
            feeder.join()
            self._await_folded()
            ends.await_movement()  # timers: whoever was hit last is back, and leaves a snapshot when it stops
        finally:
            for process in processes:
                process.finish()
        return self._judge(processes, moments)

    def _rate(self) -> float:
        zombies = sum(blow.signal == signal.SIGSTOP for blow in self.blows)
        disturbed_s = 20 if self.disturb is not None else 0
        return self.events / (6 + 4 * len(self.blows) + ZOMBIE_S * zombies + disturbed_s)

    def _subject(self, number: int) -> Subject:
        return Subject(
            loop=self.loop,
            bootstrap=self.connection.bootstrap,
            instance=f"w{number}",
            data=str(self.folder / "data"),
            partitions=self.partitions,
        )

    def _strike(self, processes: list[WorkerProcess], ends: "JournalEnds") -> list[float]:
        """Let the blows fall; returns the moments of the SIGKILLs."""
        moments: list[float] = []
        for blow in self.blows:
            if blow.settle:
                ends.await_movement()
            time.sleep(blow.pause_s)
            moment = processes[blow.worker].hit(blow.signal)
            if blow.signal == signal.SIGKILL:
                moments.append(moment)
            if blow.signal == signal.SIGSTOP:
                time.sleep(ZOMBIE_S)
                processes[blow.worker].hit(signal.SIGCONT)
        return moments

    def _await_folded(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            log = KafkaLog(self.connection, self.loop)
            reached = Counter[int]()
            for event in log.events(f"journal-{ROLE}"):
                assert isinstance(event, JournalEntry)
                for part in event.inputs:
                    reached[part.partition] += part.topic == "telemetry" and part.stop - part.start
            if reached.total() >= self.events:
                return
            assert time.monotonic() < deadline, f"{self.loop}: folded {reached} of {self.events}"
            time.sleep(1.0)

    def _judge(self, processes: list[WorkerProcess], moments: list[float]) -> Result:
        log = KafkaLog(self.connection, self.loop)
        evidence = log.evidence(roles=[ROLE], make_role=lambda _, partition: make_role(self.loop, partition))
        entries = [entry for journal in evidence.journals().values() for entry in journal]
        writers = [
            [name for name, _ in groupby(e.instance for e in journal)] for journal in evidence.journals().values()
        ]
        return Result(
            violations=report(check_promises(evidence)),
            steps=len(entries),
            exits=[code for process in processes for code in process.exits],
            fenced=sum(process.told("another instance owns this partition now") for process in processes),
            successions=sum(len(names) - 1 for names in writers),
            returned=[name for names in writers for name, times in Counter(names).items() if times > 1],
            unequal=[partition for partition in range(self.partitions) if not self._equal(evidence, partition)],
            altered_steps_that_differ=self._altered(evidence),
            recovery_s=[wait for moment in moments for wait in _next_step_s(entries, moment)],
        )

    def _equal(self, evidence: Evidence, partition: int) -> bool:
        """Return whether the newest snapshot holds what an uninterrupted fold of the source gives."""
        recovered, whole = make_role(self.loop, partition), make_role(self.loop, partition)
        recovered.restore(evidence.states[ROLE, partition])
        batch = evidence.read_range("telemetry", partition, 0, self.events)
        assert batch is not None
        whole.fold([batch], Now(us=1, control_heard_us=0))
        return _fingerprint(whole) == _fingerprint(recovered)

    def _altered(self, evidence: Evidence) -> int:
        """Fold the journal of partition 0 with one byte of its first record altered; return how many steps differ."""
        role = make_role(self.loop, 0)
        differ = 0
        for entry in evidence.journals()[ROLE, 0]:
            ranges = [evidence.read_range(part.topic, part.partition, part.start, part.stop) for part in entry.inputs]
            batches = [_with_other_byte(batch) for batch in ranges if batch is not None]
            now = Now(us=entry.time_us, control_heard_us=entry.control_heard_us)
            differ += take_step(role, batches, now, loop=self.loop).digest != entry.digest
        return differ


class JournalEnds:
    """Watches what is committed to the journals."""

    def __init__(self, connection: KafkaConnection, loop: str, partitions: int) -> None:
        self._connection = connection
        self._consumer = make_consumer(connection, group="flyball-tail")
        self._places = [TopicPartition(f"{loop}.journal-{ROLE}", partition) for partition in range(partitions)]

    def await_movement(self) -> None:
        """Wait until every journal has another step; a takeover alone moves its end, too."""
        ends: list[int] = []
        deadline = time.monotonic() + PATIENCE_S
        while not (ends and all(self._has_step(*place) for place in zip(self._places, ends, strict=True))):
            ends = ends or self._ends()
            assert time.monotonic() < deadline, f"the journals stand at {ends}"
            time.sleep(0.1)

    def _ends(self) -> list[int]:
        """Return the end of every journal; nothing while the broker cannot tell."""
        try:
            return [self._consumer.get_watermark_offsets(place, timeout=30)[1] for place in self._places]
        except KafkaException:
            return []

    def _has_step(self, place: TopicPartition, start: int) -> bool:
        """Return whether a step is to be read from there on."""
        try:
            with PartitionReader(self._connection, topic=place.topic, partition=place.partition, start=start) as reader:
                return next(reader.to_end(), None) is not None
        except BrokerError:
            return False


def _with_other_byte(batch: RawBatch) -> RawBatch:
    """Return the batch with one digit of the record at offset 0 changed, if it is here."""
    if batch.topic != "telemetry" or batch.offsets[0] != 0:
        return batch
    first = bytearray(batch.values[0] or b"")
    place = first.index(b'"latency":') + len(b'"latency":')
    first[place] = ord("9") if first[place] != ord("9") else ord("8")
    return RawBatch(
        topic=batch.topic,
        partition=batch.partition,
        offsets=batch.offsets,
        keys=batch.keys,
        values=[bytes(first), *batch.values[1:]],
        headers=batch.headers,
    )


def _next_step_s(entries: list[JournalEntry], moment: float) -> list[float]:
    """Return the seconds from a moment until every partition had taken a step again; nothing when none had to."""
    waits: dict[int, float] = {}
    for entry in entries:
        wait = entry.time_us / 1e6 - moment
        if wait > 0:
            waits[entry.partition] = min(wait, waits.get(entry.partition, wait))
    return [max(waits.values())] if waits else []


def _fingerprint(role: object) -> str:
    (processor,) = role._processors  # type: ignore[attr-defined]  # the test's own processor, wrapped by the role
    assert isinstance(processor, Regression)
    return processor.fingerprint()

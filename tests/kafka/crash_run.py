"""One crash run: workers of the small role, a feeder, a seeded list of blows, and what the log says afterwards."""

import random
import signal
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import TopicPartition

from connectors.kafka.admin import apply_topics
from schemas.connection import KafkaConnection
from schemas.events import JournalEntry
from schemas.kafka import make_consumer
from tests.kafka.processes import Feeder, WorkerProcess, subject_process
from tests.kafka.subject import Regression, Subject, make_role
from tests.kafka.verify import Findings, LoopLog, folded_at_once, verify

SESSION_S = 6.0
ZOMBIE_S = SESSION_S + 2.5
START_S = 60.0


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

    findings: Findings
    exits: list[int]
    unequal: list[int]
    """Partitions whose replayed state is not that of an uninterrupted fold."""
    recovery_s: list[float] = field(default_factory=list)
    """SIGKILL to the next step, per blow."""

    def median_recovery_s(self) -> float:
        """Return the median time from SIGKILL to the next step."""
        return statistics.median(self.recovery_s)


def seeded_blows(seed: int, *, workers: int, kills: int, stops: int, zombies: int) -> list[Blow]:
    """Return blows in random order on random workers, each some seconds after the one before."""
    draw = random.Random(seed)
    signals = [signal.SIGKILL] * kills + [signal.SIGTERM] * stops + [signal.SIGSTOP] * zombies
    draw.shuffle(signals)
    return [
        Blow(worker=draw.randrange(workers), signal=one, pause_s=draw.uniform(0.5, 3.0), settle=draw.random() < 0.75)
        for one in signals
    ]


def crash_run(
    connection: KafkaConnection,
    *,
    loop: str,
    folder: Path,
    workers: int,
    blows: list[Blow],
    seed: int,
    events: int = 20_000,
    partitions: int = 4,
) -> Result:
    """Feed `events` samples while the blows fall, let everything settle, stop cleanly, and verify."""
    apply_topics(connection, loop, partitions={"telemetry": partitions})
    folder.mkdir(parents=True, exist_ok=True)
    processes = [subject_process(_subject(connection, loop, folder, number), folder) for number in range(workers)]
    duration_s = 8 + sum(blow.pause_s + (ZOMBIE_S if blow.signal == signal.SIGSTOP else 0.0) for blow in blows)
    feeder = Feeder(connection, loop=loop, seed=seed, count=events, per_s=events / duration_s)
    for process in processes:
        process.start()
    feeder.start()
    try:
        _await_steps(connection, loop, partitions)
        moments = _strike(processes, blows, JournalEnds(connection, loop, partitions))
        feeder.join()
        _await_folded(connection, loop, partitions)
    finally:
        for process in processes:
            process.finish()
    return _judge(connection, loop, partitions, processes, moments)


def _subject(connection: KafkaConnection, loop: str, folder: Path, number: int) -> Subject:
    return Subject(loop=loop, bootstrap=connection.bootstrap, instance=f"w{number}", data=str(folder / "data"))


class JournalEnds:
    """Watches where the journals end."""

    def __init__(self, connection: KafkaConnection, loop: str, partitions: int) -> None:
        self._consumer = make_consumer(connection, group="unused")
        self._places = [TopicPartition(f"{loop}.journal-detect", partition) for partition in range(partitions)]

    def now(self) -> list[int]:
        """Return the end of every journal."""
        return [self._consumer.get_watermark_offsets(place, timeout=30)[1] for place in self._places]

    def await_movement(self) -> None:
        """Wait until every journal has grown."""
        before, deadline = self.now(), time.monotonic() + START_S
        while any(new <= old for old, new in zip(before, self.now(), strict=True)):
            assert time.monotonic() < deadline, f"journals stand at {before}"
            time.sleep(0.1)


def _strike(processes: list[WorkerProcess], blows: list[Blow], ends: JournalEnds) -> list[float]:
    """Let the blows fall; returns the moments of the SIGKILLs."""
    moments: list[float] = []
    for blow in blows:
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


def _await_steps(connection: KafkaConnection, loop: str, partitions: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        log = LoopLog(connection, loop)
        if all(log.journal("detect", partition) for partition in range(partitions)):
            return
        time.sleep(0.5)
    raise AssertionError(f"{loop}: no first step within {START_S:.0f} s")


def _await_folded(connection: KafkaConnection, loop: str, partitions: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        log = LoopLog(connection, loop)
        if all(_folded(log, partition) for partition in range(partitions)):
            return
        time.sleep(1.0)
    raise AssertionError(f"{loop}: inputs are not folded within {START_S:.0f} s")


def _folded(log: LoopLog, partition: int) -> bool:
    offsets = log.partition("telemetry", partition).records
    reached = [
        part.stop for entry in log.journal("detect", partition) for part in entry.inputs if part.topic == "telemetry"
    ]
    return not offsets or max(reached, default=0) == max(offsets) + 1


def _judge(
    connection: KafkaConnection, loop: str, partitions: int, processes: list[WorkerProcess], moments: list[float]
) -> Result:
    log = LoopLog(connection, loop)
    findings = verify(
        log,
        loop=loop,
        role="detect",
        partitions=partitions,
        make_role=lambda partition: make_role(loop, partition),
        covered=("telemetry",),
        written={"insights": 1, "dead-letters": 1},
    )
    entries = [entry for partition in range(partitions) for entry in log.journal("detect", partition)]
    return Result(
        findings=findings,
        exits=[code for process in processes for code in process.exits],
        unequal=[partition for partition in range(partitions) if not _equal(log, loop, partition)],
        recovery_s=[wait for moment in moments for wait in _next_step_s(entries, moment)],
    )


def _next_step_s(entries: list[JournalEntry], moment: float) -> list[float]:
    """Return the seconds from a moment until every partition had taken a step again; nothing when none had to."""
    waits: dict[int, float] = {}
    for entry in entries:
        wait = entry.time_us / 1e6 - moment
        if wait > 0:
            waits[entry.partition] = min(wait, waits.get(entry.partition, wait))
    return [max(waits.values())] if waits else []


def _equal(log: LoopLog, loop: str, partition: int) -> bool:
    """Return whether the newest snapshot holds what an uninterrupted fold of the source gives."""
    whole = make_role(loop, partition)
    folded_at_once(log, loop=loop, role=whole, topic="telemetry", partition=partition)
    recovered = make_role(loop, partition)
    recovered.restore(log.newest_state("detect", partition))
    return _fingerprint(whole) == _fingerprint(recovered)


def _fingerprint(role: object) -> str:
    (processor,) = role._processors  # type: ignore[attr-defined]  # the test's own processor, wrapped by the role
    assert isinstance(processor, Regression)
    return processor.fingerprint()

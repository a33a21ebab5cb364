"""What a run of the loop came to, counted from its own topics."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Items
from typing import Protocol, TypeVar

import msgspec
import numpy as np

from connectors.lab.record import FaultRecord
from connectors.lab.scoring import LabScore, score
from schemas.events import (
    Action,
    Drift,
    Episode,
    Event,
    Experience,
    LedgerEntry,
    Outcome,
    Pattern,
    Proposal,
    Sequence,
    Storm,
    Verdict,
)
from schemas.ids import Cause
from streams.loop.account.ends import contradicted
from streams.operate.arms import ArmLine, arm_lines
from streams.operate.ends import states_of
from streams.operate.foretold import EarlyLine, early_line
from streams.operate.proof import prove
from streams.operate.proof_fields import Proof
from streams.operate.topic_reader import StoredRecord
from streams.settings import Settings

EventType = TypeVar("EventType", bound=Event)
EXECUTED = ("succeeded", "failed", "unknown")
"""Ends of actions that were started."""
TOPICS_OF_A_REPORT = ("insights", "patterns", "policy", "verdicts", "actions", "outcomes", "experience", "audit")


class PatternLine(msgspec.Struct, frozen=True, kw_only=True):
    """One recurring pattern, as last written."""

    pattern: str
    name: str
    support: int


class SequenceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One recurring sequence, as last written; chance alone would have had it `expected` times."""

    sequence: str
    name: str
    support: int
    expected: float
    lag_s: float


class DriftLine(msgspec.Struct, frozen=True, kw_only=True):
    """One level that changed for good, as last written."""

    subject: str
    partition: int | None
    before: float
    after: float


class Report(msgspec.Struct, kw_only=True):
    """The sums of one run. Latency is from the append of the telemetry that completed an onset to the action's.
    `undecided` are proposals that the gate had not answered when the run ended. `outcomes_contradicted` are actions of
    which executors of a group told different ends, or one that had not claimed it an end: the first counts.

    `lab` holds the loop against the lab's own log of faults, which the loop never sees; `proof` is what the hold-out
    says the loop was worth.
    """

    broker: str
    seconds: float
    telemetry_events: int
    episodes: int
    patterns: list[PatternLine]
    proposals: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    actions: int
    actions_executed_twice: int
    actions_without_outcome: int
    outcomes: dict[str, int]
    experiences: dict[str, int]
    observed_share: float | None
    arms: dict[str, ArmLine]
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    dead_letters: int
    restarts: int = 0
    undecided: int = 0
    outcomes_contradicted: int = 0
    early: EarlyLine | None = None
    storms: int = 0
    sequences: list[SequenceLine] = []
    drifts: list[DriftLine] = []
    lab: LabScore | None = None
    proof: Proof | None = None


class Tally:
    """All events of a run in memory, by type, with the records they came from (a run of minutes, not of months)."""

    def __init__(self, rows: Iterable[tuple[StoredRecord, Event]]) -> None:
        self._events: dict[type[Event], list[Event]] = defaultdict(list)
        self._by_position: dict[str, tuple[StoredRecord, Event]] = {}
        self.action_records: list[StoredRecord] = []
        for record, event in rows:
            self._events[type(event)].append(event)
            self._by_position[f"{record.topic}/{record.partition}/{record.offset}"] = (record, event)
            if isinstance(event, Action):
                self.action_records.append(record)

    def of(self, kind: type[EventType]) -> list[EventType]:
        """Return all events of one type, each topic in offset order."""
        return [event for event in self._events[kind] if isinstance(event, kind)]

    def all(self) -> list[Event]:
        """Return every event."""
        return [event for events in self._events.values() for event in events]

    def first_telemetry(self, record: StoredRecord) -> Cause | None:
        """Follow causes upwards from a record to the telemetry that set it off; None where a timer did."""
        position = f"{record.topic}/{record.partition}/{record.offset}"
        for _ in range(8):
            found = self._by_position.get(position)
            if found is None or not found[1].causes:
                return None
            position = found[1].causes[0]
            if position.startswith("telemetry/"):
                return Cause.parse(position)
        return None


class Source(Protocol):
    """Where the records of a run are read: Kafka, or a log in memory."""

    def records(self, topics: Items[str]) -> Iterator[StoredRecord | None]:
        """Yield the records of some topics, up to the present end."""
        ...

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics."""
        ...


def build_report(
    reader: Source,
    *,
    broker: str,
    seconds: float,
    restarts: int = 0,
    faults: Items[FaultRecord] | None = None,
    settings: Settings | None = None,
) -> Report:
    """Read a loop's topics to their end and sum up; `settings` are those of the run, without which nothing is proven.
    Raises `BrokerError`.
    """
    tally = Tally(row for topic in TOPICS_OF_A_REPORT for row in reader.events(topic))
    telemetry_us = {
        Cause(record.topic, record.partition, record.offset): record.timestamp_us
        for record in reader.records(["telemetry"])
        if record is not None
    }
    latencies_ms = _latencies_ms(tally, telemetry_us)
    last_states = states_of(tally.of(Outcome))
    executed = {action for action, state in last_states.items() if state in EXECUTED}
    verdicts = tally.of(Verdict)
    return Report(
        broker=broker,
        seconds=seconds,
        telemetry_events=len(telemetry_us),
        episodes=sum(event.phase == "opened" for event in tally.of(Episode)),
        storms=_storms(tally.of(Storm)),
        patterns=_patterns(tally),
        proposals=len(tally.of(Proposal)),
        verdicts=_counts(event.verdict for event in verdicts),
        reasons=_counts(event.decided_by or "passed" for event in verdicts),
        actions=len(tally.action_records),
        actions_executed_twice=_started_twice(tally.of(Outcome)),
        actions_without_outcome=sum(last_states.get(event.id, "claimed") == "claimed" for event in tally.of(Action)),
        outcomes=_counts(last_states.values()),
        outcomes_contradicted=len(contradicted(tally.of(Outcome))),
        experiences=_counts(event.state for event in tally.of(Experience) if event.is_outcome),
        observed_share=_observed_share(executed, tally.of(Experience)),
        arms=arm_lines(tally.of(LedgerEntry), tally.of(Experience)),
        early=early_line(tally.of(Experience)),
        latency_ms_p50=_percentile(latencies_ms, 50),
        latency_ms_p99=_percentile(latencies_ms, 99),
        dead_letters=sum(1 for _ in reader.events("dead-letters")),
        restarts=restarts,
        undecided=len({event.id for event in tally.of(Proposal)} - {event.proposal.id for event in verdicts}),
        sequences=_sequences(tally),
        drifts=_drifts(tally),
        lab=None if faults is None else score(faults, tally.all()),
        proof=None if settings is None else prove(reader, settings),
    )


def _latencies_ms(tally: Tally, telemetry_us: dict[Cause, int]) -> list[float]:
    latencies = []
    for record in tally.action_records:
        cause = tally.first_telemetry(record)
        if cause in telemetry_us:
            latencies.append((record.timestamp_us - telemetry_us[cause]) / 1e3)
    return latencies


def _storms(told: list[Storm]) -> int:
    """Count storms; one that turned out to be part of another is none of its own."""
    return len({event.storm for event in told} - {event.storm for event in told if event.alias_of})


def _patterns(tally: Tally) -> list[PatternLine]:
    latest = {event.pattern: event for event in tally.of(Pattern)}
    recurring = [event for event in latest.values() if event.status == "recurring"]
    return [
        PatternLine(pattern=event.pattern, name=event.name, support=event.support)
        for event in sorted(recurring, key=lambda event: -event.support)
    ]


def _sequences(tally: Tally) -> list[SequenceLine]:
    latest = {event.sequence: event for event in tally.of(Sequence)}
    return [
        SequenceLine(
            sequence=event.sequence,
            name=event.name,
            support=event.support,
            expected=event.expected,
            lag_s=event.lag_us / 1e6,
        )
        for event in sorted(latest.values(), key=lambda event: -event.support)
        if event.status == "recurring"
    ]


def _drifts(tally: Tally) -> list[DriftLine]:
    latest = {(event.subject, event.partition): event for event in tally.of(Drift)}
    return [
        DriftLine(subject=subject, partition=partition, before=event.before, after=event.after)
        for (subject, partition), event in latest.items()
    ]


def _started_twice(outcomes: list[Outcome]) -> int:
    """Count actions that two executors of one group ended, or that one ended twice: each would be a second start."""
    ends = Counter((event.action, event.group) for event in outcomes if event.state in ("succeeded", "failed"))
    return sum(count > 1 for count in ends.values())


def _observed_share(executed: set[str], experiences: list[Experience]) -> float | None:
    """Return the share of executed actions whose outcome was measured in time."""
    observed = {event.action for event in experiences if event.state == "observed"}
    return len(executed & observed) / len(executed) if executed else None


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _percentile(values: list[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None

"""One seeded fleet under the real attribute, policy, gate and account, with a person who answers what he is asked.

Episodes, patterns and measurements are what the world knows, not what `detect` and `recognise` would find: a pattern is
a kind of fault, known after two samples. All else is the fleet's: storms, entities that come and go, outcomes that come
late, twice, wrong or never.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from schemas.events import (
    Action,
    Approval,
    AuditEntry,
    Census,
    Control,
    Episode,
    Event,
    Experience,
    LevelChange,
    Measurement,
    Outcome,
    Recurrence,
    Telemetry,
    Verdict,
)
from schemas.ids import Cause, derive, seed_of
from streams.loop.account import Account, AccountSettings
from streams.loop.actions import ActionSettings
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Now, Processor, Record
from streams.worlds.fleet import AVAILABILITY, FleetWorld
from streams.worlds.fleet_settings import FleetSettings
from tests.loop.gate_bench import approval

LOOP = "levels"
HASH = "simulated"
START_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
ENDLESS = "10000/hour"
COST = 0.05
"""Of every action, in units of reward."""
ABNORMAL = 0.8
"""Availability below which an entity is abnormal: half way between healthy and failing."""
ONSET, AFTER = 2, 10
"""Samples until a pattern is known, and samples measured after an episode."""
ANSWER_S = 2
"""How long a person takes to answer, in seconds; of ten questions one goes unanswered."""
ANSWERED = 0.9
GATE = GateSettings(
    loop_limit=ENDLESS,
    pattern_limit=ENDLESS,
    entity_attempts=ENDLESS,
    explore_limit=ENDLESS,
    escalation_limit=ENDLESS,
    cost_a_day=1e6,
    concurrency=1_000,
    abnormal_share=1.0,
    failed_share=1.0,
)
LEVELS = LevelSettings(default="suggest", raising="auto")
ATTRIBUTE = AttributeSettings()
POLICY = PolicySettings()


@dataclass(slots=True)
class _Watch:
    """What is seen of one entity."""

    episode: str = ""
    opened_us: int = 0
    abnormal: int = 0
    normal: int = AFTER


@dataclass(slots=True)
class Seen:
    """What a run came to: every change of level, how many are in the audit, and every decision with a reward."""

    changes: list[LevelChange] = field(default_factory=list)
    audited: int = 0
    learned: list[Experience] = field(default_factory=list)


class LevelsRun:
    """A loop over one fleet. `live` lets time pass; `seen` is what became of it."""

    def __init__(
        self,
        world: FleetSettings,
        *,
        seed: int,
        levels: LevelSettings = LEVELS,
        attribute: AttributeSettings = ATTRIBUTE,
    ) -> None:
        self.fleet = FleetWorld(world, seed=seed, start_us=START_US)
        self.seen = Seen()
        self.us = START_US
        self._period_us = world.period_us
        self._chance = random.Random(seed_of(LOOP, seed, "person"))
        actions = {
            name: ActionSettings(name=name, cost=COST, limit=ENDLESS, cooldown_us=0, expires_us=10_000_000)
            for name in world.actions
        }
        self.gate = Gate(GATE, loop=LOOP, settings_hash=HASH, actions=actions, levels=levels, baseline=POLICY.baseline)
        self._attribute = Attribute(attribute, loop=LOOP, actions=actions)
        self._others: tuple[Processor, ...] = (
            Policy(POLICY, loop=LOOP, seed=seed_of(LOOP, seed), actions=actions),
            self.gate,
            Account(AccountSettings(), loop=LOOP),
        )
        self._watched: dict[str, _Watch] = {}
        self._answers: list[tuple[int, Approval]] = []
        self._offset = 0
        self._give(
            [self._order("settings", "loop", HASH), self._order("pause", "loop", "running")],
        )

    def live(self, duration_us: int) -> None:
        """Let time pass."""
        end_us = self.us + duration_us
        while self.us < end_us:
            self.us += self._period_us
            self._give(self._look())
            self._give(self._reports())
            due = [answer for us, answer in self._answers if us <= self.us]
            self._answers = [(us, answer) for us, answer in self._answers if us > self.us]
            self._give(due)
            for processor in (self._attribute, *self._others):
                next_us = processor.next_time()
                if next_us is not None and next_us <= self.us:
                    self._follow(processor.on_time(Now(self.us, self.us)))

    def _give(self, events: Iterable[Event]) -> None:
        """Hand events, and all that they cause, to every processor; but measurements only to who reads them."""
        waiting = list(events)
        while waiting:
            records = [self._record(event) for event in waiting]
            others = [record for record in records if not isinstance(record.event, Measurement)]
            now = Now(self.us, self.us)
            waiting = self._attribute.on_batch(records, now)
            if others:
                waiting += [made for processor in self._others for made in processor.on_batch(others, now)]
            waiting += self._note(waiting)

    def _follow(self, made: list[Event]) -> None:
        self._give([*made, *self._note(made)])

    def _record(self, event: Event) -> Record:
        self._offset += 1
        return Record(Cause(event.TOPIC, 0, self._offset), event)

    def _note(self, made: list[Event]) -> list[Event]:
        """Note what is judged, start actions, and remember what a person is asked; return the claims."""
        claims: list[Event] = []
        for event in made:
            match event:
                case LevelChange():
                    self.seen.changes.append(event)
                case Experience() if event.reward is not None and event.state in ("observed", "late"):
                    self.seen.learned.append(event)
                case AuditEntry():
                    self.seen.audited += event.kind == "level"
                case Action():
                    self.fleet.act(event, self.us)
                    claims.append(self._claim(event))
                case Verdict() if event.verdict == "escalate" and event.final is not None:
                    if self._chance.random() < ANSWERED:
                        self._answers.append(
                            (self.us + ANSWER_S * SECOND_US, approval(event, time_us=self.us, person="ada"))
                        )
                case _:
                    pass
        return claims

    def _look(self) -> Iterator[Event]:
        """Tell what the samples of this period show."""
        samples = {sample.entity: sample for sample in self.fleet.telemetry(self.us)}
        for entity in [entity for entity in self._watched if entity not in samples]:
            watch = self._watched.pop(entity)
            if watch.episode:
                yield self._episode(entity, watch, "closed")
        for sample in samples.values():
            yield from self._see(sample, self._watched.setdefault(sample.entity, _Watch()))
        if self.us // SECOND_US % 6 == 0:
            abnormal = sum(bool(watch.episode) for watch in self._watched.values())
            yield Census(
                id=derive("census", self.us),
                time_us=self.us,
                partition=0,
                group="",
                live=len(samples),
                abnormal=abnormal,
            )

    def _see(self, sample: Telemetry, watch: _Watch) -> Iterator[Event]:
        entity, abnormal = sample.entity, sample.values[AVAILABILITY] < ABNORMAL
        watch.normal = 0 if abnormal else watch.normal + 1
        if abnormal and not watch.episode:
            watch.episode, watch.opened_us, watch.abnormal = derive("episode", entity, self.us), self.us, 0
            yield self._episode(entity, watch, "opened")
        watch.abnormal += abnormal
        if watch.episode or watch.normal <= AFTER:
            yield self._measurement(sample, watch, abnormal=abnormal)
        if watch.episode and abnormal and watch.abnormal == ONSET:
            yield self._recurrence(entity, watch)
        if watch.episode and watch.normal == ONSET:
            yield self._episode(entity, watch, "closed")
            watch.episode = ""

    def _episode(self, entity: str, watch: _Watch, phase: Literal["opened", "closed"]) -> Episode:
        return Episode(
            id=derive("episode", watch.episode, phase),
            time_us=self.us,
            episode=watch.episode,
            entity=entity,
            phase=phase,
            opened_us=watch.opened_us,
            windows=watch.abnormal,
            severity=5.0,
            confidence=1.0,
            closed_us=self.us if phase == "closed" else None,
        )

    def _measurement(self, sample: Telemetry, watch: _Watch, *, abnormal: bool) -> Measurement:
        return Measurement(
            id=derive("measurement", sample.entity, self.us),
            time_us=self.us,
            entity=sample.entity,
            episode=watch.episode,
            start_us=self.us - self._period_us,
            end_us=self.us,
            samples=1,
            abnormal=abnormal,
            score=5.0 if abnormal else 0.0,
            values={AVAILABILITY: sample.values[AVAILABILITY]},
        )

    def _recurrence(self, entity: str, watch: _Watch) -> Recurrence:
        kind = self.fleet.kind_at(entity, self.us)
        pattern = "novel" if kind is None else f"p-{kind}"
        return Recurrence(
            id=derive("recurrence", watch.episode),
            time_us=self.us,
            entity=entity,
            episode=watch.episode,
            pattern=pattern,
            candidate=pattern,
            support=3,
            distance=0.0,
            novelty=0.0,
            severity=5.0,
            opened_us=watch.opened_us,
        )

    def _reports(self) -> list[Event]:
        """Return the ends that the world reports, as the executor that claimed the actions would."""
        return list({outcome.id: outcome for outcome in self.fleet.outcomes(self.us)}.values())

    def _claim(self, action: Action) -> Outcome:
        return Outcome(
            id=derive(LOOP, action.id, "claim"),
            time_us=self.us,
            action=action.id,
            entity=action.entity,
            group="fleet",
            executor="fleet",
            state="claimed",
        )

    def _order(self, kind: str, target: str, value: str) -> Control:
        values = {"id": derive(kind, target), "time_us": self.us, "kind": kind, "target": target, "value": value}
        return msgspec.convert(values | {"by": "simulation"}, Control)

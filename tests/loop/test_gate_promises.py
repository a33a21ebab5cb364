"""What the gate promises over thousands of random steps, with restarts, duplicates and settings edited in between."""

import itertools
import random
import subprocess
import sys
from dataclasses import dataclass, field

import msgspec
import pytest

from schemas.events import Action, Event, Outcome, Verdict
from schemas.ids import Cause
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.limits import Limit, parse_limits
from streams.loop.processor import Now, Record
from tests.loop.gate_bench import SECOND, START, census, control, opened, outcome, proposal

HASH = "own"
ACTIONS = {
    "restart": ActionSettings(name="restart", limit="3/30s and 25/5m", cooldown_us=4 * SECOND, expires_us=5 * SECOND),
    "shed": ActionSettings(name="shed", limit="4/1m", cooldown_us=0, expires_us=5 * SECOND),
}
SETTINGS = GateSettings(
    loop_limit="5/20s and 85/10m",
    pattern_limit="6/40s",
    entity_attempts="10/5m",
    concurrency=2,
    outcome_timeout_us=10 * SECOND,
    failed_least=1_000,
)
ENTITIES = tuple(f"e{n}" for n in range(8))


def make_gate() -> Gate:
    levels = LevelSettings(default="act", novel="act")
    return Gate(SETTINGS, loop="lab", settings_hash=HASH, actions=ACTIONS, levels=levels)


@dataclass
class Run:
    """One seeded run: a gate fed in batches, its twin fed record by record, and all that was decided."""

    seed: int
    gate: Gate = field(default_factory=make_gate)
    twin: Gate = field(default_factory=make_gate)
    us: int = START
    offset: int = 0
    actions: list[Action] = field(default_factory=list)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    ended_us: dict[str, int] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    refused_by: set[str | None] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.give([control("settings", "loop", HASH), control("pause", "loop", "running")])
        self.give([opened(entity) for entity in ENTITIES])

    def give(self, events: list[Event]) -> None:
        records = [Record(Cause("test", 0, self.offset + n), event) for n, event in enumerate(events)]
        self.offset += len(events)
        now = Now(self.us, self.us)
        outputs = self.gate.on_batch(records, now)
        assert outputs == [output for record in records for output in self.twin.on_batch([record], now)]
        self.note(outputs)

    def note(self, outputs: list[Event]) -> None:
        for output in outputs:
            if isinstance(output, Verdict):
                self.verdicts.setdefault(output.proposal.id, []).append(output)
                self.refused_by.add(output.decided_by)
            elif isinstance(output, Action):
                self.actions.append(output)
                self.ended_us[output.id] = output.expires_us + SETTINGS.outcome_timeout_us

    def step(self) -> None:
        self.us += self.random.choice((0, 0, 10_000, 300_000, SECOND, 3 * SECOND))
        self.fire()
        if self.random.random() < 0.05:
            self.restart()
        events = [self.event() for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.2 and self.history:
            events.append(self.random.choice(self.history))
        self.history = [*self.history[-200:], *events]
        self.give(events)

    def fire(self) -> None:
        due_us = self.gate.next_time()
        if due_us is not None and due_us <= self.us:
            now = Now(self.us, self.us)
            outputs = self.gate.on_time(now)
            assert outputs == self.twin.on_time(now)
            self.note(outputs)

    def restart(self) -> None:
        snapshot = self.gate.snapshot()
        assert snapshot == self.twin.snapshot()
        self.gate = make_gate()
        self.gate.restore(snapshot)
        assert self.gate.snapshot() == snapshot

    def event(self) -> Event:
        drawn = self.random.random()
        running = [action for action in self.actions if self.ended_us[action.id] > self.us]
        if running and drawn < 0.25:
            return self.end(self.random.choice(running))
        if drawn < 0.4:
            state = self.random.choice(("paused", "running", "running", "running"))
            return msgspec.structs.replace(control("pause", "loop", state), id=f"control-{self.offset}-{drawn}")
        if drawn < 0.45:
            return census(abnormal=0, live=8, time_us=self.us)
        entity = self.random.choice(ENTITIES)
        return proposal(
            f"p-{self.offset}-{drawn}",
            time_us=self.us,
            entity=entity,
            episode=f"episode-{entity}",
            pattern=self.random.choice(("p-1", "p-2", "novel")),
            action=self.random.choice(("restart", "shed", "none")),
        )

    def end(self, action: Action) -> Outcome:
        state = self.random.choice(("claimed", "succeeded", "failed", "refused", "unknown"))
        if state != "claimed":
            self.ended_us[action.id] = self.us
        return outcome(action, state)


def fullest(times: list[int], limit: Limit) -> int:
    return max((sum(start <= time < start + limit.interval_us for time in times) for start in times), default=0)


SCOPES: list[tuple[str, str, str]] = [
    # the limit, the field of the action that it counts by, the value (* for each)
    (ACTIONS["restart"].limit, "action", "restart"),
    (ACTIONS["shed"].limit, "action", "shed"),
    (SETTINGS.pattern_limit, "pattern", "*"),
    (SETTINGS.entity_attempts, "entity", "*"),
    (SETTINGS.loop_limit, "settings_hash", "*"),
]
STEPS = 700


@pytest.mark.parametrize("seed", range(4))
def test_no_interval_ever_holds_more_actions_than_any_limit_allows(seed: int) -> None:
    run = Run(seed)
    for _ in range(STEPS):
        run.step()
    reached = set()
    for text, name, value in SCOPES:
        for limit in parse_limits(text):
            for one in {getattr(action, name) for action in run.actions} if value == "*" else {value}:
                times = [action.issued_us for action in run.actions if getattr(action, name) == one]
                assert fullest(times, limit) <= limit.count, f"seed {seed}: {name} {one} broke {limit}"
                if fullest(times, limit) == limit.count:
                    reached.add((name, str(limit)))
    assert len(reached) >= 4, f"limits were hardly reached: {reached}"
    assert len(run.actions) >= 50
    assert {None, "pause", "in-flight", "cooldown", "concurrency", "action-budget"} <= run.refused_by


@pytest.mark.parametrize("seed", range(4, 6))
def test_every_proposal_has_one_verdict_and_at_most_one_action_and_entities_are_acted_on_one_by_one(seed: int) -> None:
    run = Run(seed)
    for _ in range(STEPS):
        run.step()
    assert all(len({verdict.id for verdict in verdicts}) == 1 for verdicts in run.verdicts.values())
    assert any(len(verdicts) > 1 for verdicts in run.verdicts.values()), "no duplicate was ever given"
    proposals = [action.proposal for action in run.actions]
    assert len(proposals) == len(set(proposals))
    for entity in ENTITIES:
        mine = [action for action in run.actions if action.entity == entity]
        for earlier, later in itertools.pairwise(mine):
            assert run.ended_us[earlier.id] <= later.issued_us, f"seed {seed}: two actions at once on {entity}"
    for action in run.actions:
        under_way = sum(one.issued_us <= action.issued_us < run.ended_us[one.id] for one in run.actions)
        assert under_way <= SETTINGS.concurrency, f"seed {seed}: {under_way} actions at once"


def test_the_gate_loads_no_learner() -> None:
    program = "import sys, streams.loop.gate; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "streams" in loaded
    assert not {"river", "sklearn", "scipy", "polars", "faust", "confluent_kafka"} & set(loaded)
